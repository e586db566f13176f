// SPDX-License-Identifier: Apache-2.0
/*
 * A simulated hypervisor in a folder. Preloaded into a XenStore daemon for a Xen host, it lets the
 * daemon run on a machine without Xen. With guest.c an ordinary process can act as a guest's kernel.
 *
 *   cc -O2 -Wall -shared -fPIC -fvisibility=hidden -o libfakexen.so *.c
 *   FAKEXEN_DIR=/tmp/fakexen LD_PRELOAD=$PWD/libfakexen.so xenstored -N
 *
 * The world, below $FAKEXEN_DIR (default /tmp/fakexen):
 *
 *   dom<id>/page      4096 bytes, the domain's xenstore ring page
 *   dom<id>/ports     the domain's event channels (struct fx_table)
 *   dom<id>/fifo      wakes the domain's kernel: one native uint32 per event
 *   dom0/xsd_port     what /proc/xen/xsd_port shows
 *   xenstored/ports   the same pair for the daemon, or for another process in dom0 that has
 *   xenstored/fifo    /dev/xen/evtchn open; xenevtchn_fd() returns the fifo
 *   states            struct fx_states: what the hypervisor knows of each domain
 *                     (dying 1: being torn down, 2: dead; libxenctrl only shows 2)
 *   calls             how often the hypervisor was called: see charge.c
 *   changed           65536 bytes, one for each domain; 1 = its state has changed since the last query
 *
 * A domain exists while its uid in `states` is not 0. The first call that needs dom0 makes it.
 *
 * Event channels. A table has `nports` entries (port 0 is never used) of flags, type, remote
 * domid (or virq number) and remote port. To send an event sets the PENDING bit of the remote entry.
 * If that was neither pending nor masked, it also writes the port's number into the remote fifo.
 * To take an event (xenevtchn_pending) reads a port from the fifo, and turns PENDING into MASKED in
 * one exchange. xenevtchn_unmask clears MASKED, and writes the port into the fifo again if it became
 * pending meanwhile. So an event is a level with one bit of memory, as on Xen. Each port is in the
 * fifo at most once, and the fifo cannot overflow. To bind makes the local port pending once, as in
 * Xen.
 *
 * The calls of a daemon:
 *
 *   xengnttab_map_grant_ref(dom, ref)   maps dom<id>/page; ref must be 1
 *   xc_map_foreign_range(dom, .. mfn)   maps dom<id>/page, whatever mfn is
 *   xenforeignmemory_map(dom, frame)    maps dom<id>/page; frame must be 1
 *   xc_domain_getinfo*, xenmanage_*     answer from `states` (libxenctrl shows uid in the
 *                                       domain's UUID)
 *   open("/proc/xen/xsd_kva")           opens dom0/page
 *   open("/proc/xen/xsd_port")          opens dom0/xsd_port
 *   open("/proc/xen/capabilities")      opens capabilities; makes it, with control_d, if it is missing
 *   bind, unlink                        use $FAKEXEN_SOCKET in place of $FAKEXEN_SOCKET_FROM if both
 *                                       are set, for a daemon with a built-in path
 *   setrlimit(RLIMIT_NOFILE)            falls back to the hard limit on EPERM
 *
 *   dlopen("libxen...")                 loads this library in place of Xen's stable ones; there is no
 *                                       libxenmanage without FAKEXEN_MANAGE, and none of those that
 *                                       FAKEXEN_WITHOUT names
 *   open("/sys/hypervisor/version/..")  shows FAKEXEN_VERSION, by default 4.17
 *
 * FAKEXEN_CHARGE="CALL DOMAIN" charges the daemon for its calls: see charge.c.
 * The daemon runs in domain $FAKEXEN_LOCAL instead of 0: what is said of dom0/ then holds for that
 * domain's folder.
 *
 * FAKEXEN_REFUSE makes libxenctrl fail as with a hypervisor of another version, FAKEXEN_MANAGE=refused
 * makes libxenmanage fail as with one before Xen 4.21.
 * FAKEXEN_TRACE=1 logs each of these calls to stderr. For tests only: nothing protects the domains
 * from each other.
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
#define TRACE(...) ((void)(is_traced() && fprintf(stderr, "fakexen: " __VA_ARGS__) && fputc('\n', stderr)))

#define FX_NPORTS 4096u /* of a domain */
#define FX_DAEMON_PORTS 32768u /* one for each ring */
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
    struct fx_port port[]; /* nports */
};

/* One side of event channels, opened: the daemon's or a domain's. */
struct fx_end {
    uint32_t id;
    uint32_t first; /* all ports below are taken */
    int fifo; /* -1 while a peer's fifo is closed */
    struct fx_table *t;
};

struct fx_state {
    unsigned long uid;
    unsigned caps, shutdown, reason, dying;
};

/* The file `states`. */
struct fx_states {
    unsigned long count; /* one more than the highest domain that there ever was */
    struct fx_state domain[65536];
};

/* charge.c */
enum fx_call {
    FX_LIST, /* xc_domain_getinfo*: domains are listed */
    FX_INFO, /* xenmanage_get_domain_info */
    FX_POLL, /* xenmanage_poll_changed_domain */
    FX_BIND, /* xenevtchn_bind_*, xenevtchn_unbind */
    FX_NOTIFY, /* xenevtchn_notify */
    FX_MAP, /* a page of a domain is mapped */
    FX_CALL_KINDS
};
int is_traced(void);
void charge(enum fx_call call, unsigned domains);

/* world.c */
const char *world(void);
const char *in_dom(char *buf, size_t n, uint32_t id, const char *leaf);
int real_open(const char *p, int flags, mode_t mode);
void *map_file(const char *path, size_t len, int flags);
int read_state(uint32_t id, struct fx_state *s);
int write_state(uint32_t id, const struct fx_state *s);
uint8_t *changed_map(void);
uint32_t next_domain(uint32_t id);
uint32_t next_changed(void);
uint32_t *all_domains(unsigned *n); /* ids, ascending; the caller frees them */
void make_domain(uint32_t id, unsigned long uid, unsigned caps);
uint32_t local_domain(void); /* in which the daemon runs */
void make_dom0(void);        /* or the local domain */
void raise_virq(void);

/* channels.c */
extern struct fx_end *peer_cache[65536];
struct fx_end *end_open(uint32_t id, int create);
void end_close(struct fx_end *e);
void raise_port(struct fx_end *e, uint32_t port);
void finish_raising(struct fx_end *e, uint32_t port);
int take_port(struct fx_end *e);
void unmask_port(struct fx_end *e, uint32_t port);
int alloc_port(struct fx_end *e, uint32_t type, uint32_t rdom, uint32_t rport);
struct fx_end *peer(uint32_t id, int fresh);
void close_peer(uint32_t id);
int end_notify(struct fx_end *e, uint32_t port);

/* guest.c */
EXPORT void *fx_page_map(uint32_t id);

#endif
