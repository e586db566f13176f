// SPDX-License-Identifier: Apache-2.0
/*
 * A toy hypervisor in a folder. Preloaded into a XenStore daemon written for a Xen host, it lets
 * that daemon run on a machine without Xen; and an ordinary process can play the part of a guest
 * kernel with it (guest.c).
 *
 *   cc -O2 -Wall -shared -fPIC -fvisibility=hidden -o libfakexen.so *.c
 *   FAKEXEN_DIR=/tmp/fakexen LD_PRELOAD=$PWD/libfakexen.so xenstored -N
 *
 * The world, below $FAKEXEN_DIR (default /tmp/fakexen):
 *
 *   dom<id>/page      4096 bytes, the domain's xenstore ring page
 *   dom<id>/state     one line: uid=N caps=N shutdown=0|1 reason=N dying=0|1|2
 *                     (dying 1: being torn down, 2: dead; libxenctrl only shows 2)
 *   dom<id>/ports     the domain's event channels (struct fx_table)
 *   dom<id>/fifo      wakes the domain's kernel: one native uint32 per event
 *   dom0/xsd_port     what /proc/xen/xsd_port shows
 *   xenstored/ports   the same pair for the daemon, i.e. for whoever has /dev/xen/evtchn open
 *   xenstored/fifo    in dom0; the fifo is what xenevtchn_fd() returns
 *   changed           65536 bytes, 1 = the domain's state has changed since it was last asked for
 *
 * A domain exists as long as its folder has a state file. Dom0 is made by whoever needs it first.
 *
 * Event channels. A table has FX_NPORTS entries (port 0 is never used) of flags, type, remote
 * domid (or virq number) and remote port. Sending an event sets the PENDING bit of the remote entry
 * and, only if that was neither pending nor masked, writes the port's number into the remote fifo.
 * Taking an event (xenevtchn_pending) reads a port from the fifo and turns PENDING into MASKED in
 * one exchange; xenevtchn_unmask clears MASKED and queues the port again when it became pending
 * meanwhile. So an event is a level with one bit of memory, as on Xen; each port is in the fifo at
 * most once, and the fifo can't overflow. Binding makes the local port pending once, as Xen does.
 *
 * What a daemon's calls do:
 *
 *   xengnttab_map_grant_ref(dom, ref)   maps dom<id>/page; ref must be 1
 *   xc_map_foreign_range(dom, .. mfn)   maps dom<id>/page; mfn is not looked at
 *   xenforeignmemory_map(dom, frame)    maps dom<id>/page; frame must be 1
 *   xc_domain_getinfo*, xenmanage_*     answer from the state files (libxenctrl shows uid in the
 *                                       domain's UUID)
 *   open("/proc/xen/xsd_kva")           opens dom0/page
 *   open("/proc/xen/xsd_port")          opens dom0/xsd_port
 *   open("/proc/xen/capabilities")      opens capabilities, which says control_d if it was not there
 *   bind, unlink                        of $FAKEXEN_SOCKET_FROM go to $FAKEXEN_SOCKET, if that is
 *                                       set: for a daemon with a path built in
 *   setrlimit(RLIMIT_NOFILE)            falls back to the hard limit on EPERM
 *
 * FAKEXEN_REFUSE makes libxenctrl fail as with a hypervisor of another version.
 * FAKEXEN_TRACE=1 logs each of these calls to stderr. For tests only: there is nothing at all that
 * keeps these domains apart.
 */
#ifndef FAKEXEN_H
#define FAKEXEN_H
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenctrl.h>

#define EXPORT __attribute__((visibility("default")))
#define TRACE(...) ((void)(getenv("FAKEXEN_TRACE") && fprintf(stderr, "fakexen: " __VA_ARGS__) && fputc('\n', stderr)))

#define FX_NPORTS 4096u
#define FX_PAGE 4096u
#define FX_MAGIC 0x31455846u /* "FXE1" */
#define FX_DAEMON 0xfffeu /* the "domid" of the daemon's side of event channels */
#define FX_VIRQ_DOM_EXC 3u

enum { FX_FREE, FX_UNBOUND, FX_INTERDOMAIN, FX_VIRQ };
enum { FX_PENDING = 1, FX_MASKED = 2 };

struct fx_port {
    _Atomic uint32_t flags;
    _Atomic uint32_t type;
    uint32_t remote_dom; /* the virq's number when type is FX_VIRQ */
    uint32_t remote_port;
};

struct fx_table {
    uint32_t magic, nports, pad[14];
    struct fx_port port[FX_NPORTS];
};

/* One side of event channels, opened: the daemon's or a domain's. */
struct fx_end {
    uint32_t id;
    int fifo;
    struct fx_table *t;
};

struct fx_state {
    unsigned long uid;
    unsigned caps, shutdown, reason, dying;
};

/* world.c */
const char *world(void);
const char *in_dom(char *buf, size_t n, uint32_t id, const char *leaf);
int real_open(const char *p, int flags, mode_t mode);
void *map_file(const char *path, size_t len, int flags);
int read_state(uint32_t id, struct fx_state *s);
int write_state(uint32_t id, const struct fx_state *s);
uint8_t *changed_map(void);
uint32_t *all_domains(unsigned *n); /* ids, ascending; the caller frees them */
void make_domain(uint32_t id, unsigned long uid, unsigned caps);
void make_dom0(void);
void raise_virq(void);

/* channels.c */
extern struct fx_end *peer_cache[65536];
struct fx_end *end_open(uint32_t id, int create);
void end_close(struct fx_end *e);
void raise_port(struct fx_end *e, uint32_t port);
int take_port(struct fx_end *e);
void unmask_port(struct fx_end *e, uint32_t port);
int alloc_port(struct fx_end *e, uint32_t type, uint32_t rdom, uint32_t rport);
struct fx_end *peer(uint32_t id, int fresh);
int end_notify(struct fx_end *e, uint32_t port);

/* guest.c */
EXPORT void *fx_page_map(uint32_t id);

#endif
