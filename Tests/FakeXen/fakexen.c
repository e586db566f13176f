// SPDX-License-Identifier: Apache-2.0
/*
 * fakexen: a toy "hypervisor" in a directory, as an LD_PRELOAD shim.
 *
 * It lets a XenStore daemon written for a real Xen host run on a machine that
 * has no Xen at all, and lets an ordinary process play the part of a guest
 * kernel (see fakeguest.py, which loads this same object with ctypes).
 *
 *   cc -O2 -Wall -shared -fPIC -o libfakexen.so fakexen.c
 *   FAKEXEN_DIR=/tmp/fakexen LD_PRELOAD=$PWD/libfakexen.so xenstored -N
 *
 * World layout, below $FAKEXEN_DIR (default /tmp/fakexen):
 *
 *   dom<id>/page      4096 bytes, the domain's xenstore ring page
 *   dom<id>/state     one line: uid=N caps=N shutdown=0|1 reason=N dying=0|1|2
 *                     (dying 1: being torn down, 2: dead; libxenctrl only shows 2)
 *   dom<id>/ports     the domain's event channel table (struct fx_table)
 *   dom<id>/fifo      wakes the domain's "kernel": one native uint32 per event
 *   dom0/xsd_port     what /proc/xen/xsd_port shows (default "1")
 *   xenstored/ports   the same pair for the daemon, i.e. for the user of
 *   xenstored/fifo    /dev/xen/evtchn in dom0; the fifo is xenevtchn_fd()
 *   changed           65536 bytes, 1 = state changed since last polled
 *
 * A domain exists as long as its directory has a state file.  dom0 is made on
 * demand by whichever side comes first.
 *
 * Event channels.  A table has FX_NPORTS entries (port 0 is never used) of
 * flags, type, remote domid (or virq number), remote port.  Sending an event
 * sets the PENDING bit of the remote entry and, only if that entry was neither
 * pending nor masked, writes the port number into the remote side's fifo.
 * Taking an event (xenevtchn_pending) reads a port from the fifo and turns
 * PENDING into MASKED in one exchange; xenevtchn_unmask clears MASKED and
 * requeues the port when it became pending meanwhile.  So an event is a level
 * with one bit of memory, as on Xen, each port is in the fifo at most once, and
 * the fifo cannot overflow.  Binding interdomain makes the local port pending
 * once, as Xen does.
 *
 * What the daemon's functions do:
 *
 *   xengnttab_map_grant_ref(dom, ref)   maps dom<id>/page, ref must be 1
 *   xc_map_foreign_range(dom, .. mfn)   maps dom<id>/page, mfn is not looked at
 *   xc_domain_getinfo, _getinfolist, _getinfo_single, xenmanage_*
 *                                       answer from the state files
 *                                       (libxenctrl shows uid in the domain's UUID)
 *   xenforeignmemory_map(dom, frame)    maps dom<id>/page, frame must be 1
 *   open("/proc/xen/xsd_kva")           opens dom0/page
 *   open("/proc/xen/xsd_port")          opens dom0/xsd_port
 *   bind/unlink of <FAKEXEN_SOCKET_FROM> go to $FAKEXEN_SOCKET when that is set
 *                                       (for a daemon with a built-in path)
 *   setrlimit(RLIMIT_NOFILE)            falls back to the hard limit on EPERM
 *
 * FAKEXEN_REFUSE makes libxenctrl fail as with a hypervisor of another version.
 * FAKEXEN_TRACE=1 logs each faked call to stderr, FAKEXEN_COUNT=FILE writes how
 * often each was called when the process exits normally (or on SIGUSR2).
 *
 * This is for tests.  There is no isolation at all between the "domains".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

#if __has_include(<xenctrl.h>)
#include <xenctrl.h>
#define HAVE_XENCTRL 1
#endif

#define EXPORT __attribute__((visibility("default")))

/* ---- the world --------------------------------------------------------- */

#define FX_NPORTS 4096u
#define FX_PAGE 4096u
#define FX_MAGIC 0x31455846u /* "FXE1" */

enum { FX_FREE, FX_UNBOUND, FX_INTERDOMAIN, FX_VIRQ };
enum { FX_PENDING = 1, FX_MASKED = 2 };
#define FX_DAEMON 0xfffeu /* "domid" that names the daemon's endpoint */
#define FX_VIRQ_DOM_EXC 3u

struct fx_port {
    _Atomic uint32_t flags;
    _Atomic uint32_t type;
    uint32_t remote_dom; /* virq number when type is FX_VIRQ */
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

static const char *world(void)
{
    static char dir[200];
    if (!dir[0]) {
        const char *e = getenv("FAKEXEN_DIR");
        snprintf(dir, sizeof dir, "%s", e && *e ? e : "/tmp/fakexen");
        mkdir(dir, 0755);
    }
    return dir;
}

static const char *in_dom(char *buf, size_t n, uint32_t id, const char *leaf)
{
    if (id == FX_DAEMON)
        snprintf(buf, n, "%s/xenstored/%s", world(), leaf);
    else
        snprintf(buf, n, "%s/dom%u/%s", world(), id, leaf);
    return buf;
}

static int real_open(const char *p, int flags, mode_t mode)
{
    return openat(AT_FDCWD, p, flags, mode);
}

static void *map_file(const char *path, size_t len, int flags)
{
    int fd = real_open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    struct stat st;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) || ((size_t)st.st_size < len && ftruncate(fd, len))) {
        close(fd);
        return NULL;
    }
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static int trace_on(void)
{
    static int on = -1;
    if (on < 0)
        on = getenv("FAKEXEN_TRACE") != NULL;
    return on;
}

/* Call counts: a fixed table, one slot per faked function. */
enum {
#define CALLS(X) X(xc_interface_open) X(xc_interface_close) X(xc_domain_getinfo) \
    X(xc_domain_getinfolist) X(xc_domain_getinfo_single) X(xc_map_foreign_range) \
    X(xenmanage_open) X(xenmanage_close) X(xenmanage_get_domain_info)            \
    X(xenmanage_poll_changed_domain) X(xengnttab_open) X(xengnttab_close)        \
    X(xengnttab_set_max_grants) X(xengnttab_map_grant_ref) X(xengnttab_unmap)    \
    X(xenevtchn_open) X(xenevtchn_fdopen) X(xenevtchn_close) X(xenevtchn_fd)     \
    X(xenevtchn_notify) X(xenevtchn_bind_interdomain) X(xenevtchn_bind_virq)     \
    X(xenevtchn_unbind) X(xenevtchn_pending) X(xenevtchn_unmask) X(open_xsd_kva) \
    X(open_xsd_port) X(setrlimit) X(xc_get_last_error)                                 \
    X(xenforeignmemory_open) X(xenforeignmemory_close) X(xenforeignmemory_map)   \
    X(xenforeignmemory_unmap)
#define AS_ENUM(n) C_##n,
    CALLS(AS_ENUM) C_MAX
};
static unsigned long count[C_MAX];

#define CALL(n, ...)                              \
    do {                                          \
        count[C_##n]++;                           \
        if (trace_on()) {                         \
            fprintf(stderr, "fakexen: " #n);      \
            fprintf(stderr, " " __VA_ARGS__);     \
            fputc('\n', stderr);                  \
        }                                         \
    } while (0)

static void dump_counts(void)
{
    const char *f = getenv("FAKEXEN_COUNT");
    char line[128];
    int fd = f ? real_open(f, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
    if (fd < 0)
        return;
#define AS_NAME(n) #n,
    static const char *const name[] = { CALLS(AS_NAME) };
    for (int i = 0; i < C_MAX; i++)
        if (count[i]) {
            int n = snprintf(line, sizeof line, "%s %lu\n", name[i], count[i]);
            if (write(fd, line, n) != n)
                break;
        }
    close(fd);
}

static void on_usr2(int sig) { (void)sig; dump_counts(); }

__attribute__((constructor)) static void start(void)
{
    if (getenv("FAKEXEN_COUNT")) {
        signal(SIGUSR2, on_usr2);
        atexit(dump_counts);
    }
}

/* ---- domains ----------------------------------------------------------- */

struct fx_state {
    unsigned long uid;
    unsigned caps, shutdown, reason, dying;
};

static int read_state(uint32_t id, struct fx_state *s)
{
    char path[256], buf[256];
    int fd = real_open(in_dom(path, sizeof path, id, "state"), O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, buf, sizeof buf - 1);
    close(fd);
    buf[n < 0 ? 0 : n] = 0;
    memset(s, 0, sizeof *s);
    return sscanf(buf, "uid=%lu caps=%u shutdown=%u reason=%u dying=%u", &s->uid, &s->caps,
                  &s->shutdown, &s->reason, &s->dying) == 5 ? 0 : -1;
}

static int write_state(uint32_t id, const struct fx_state *s)
{
    char path[256], tmp[300], buf[256];
    in_dom(path, sizeof path, id, "state");
    snprintf(tmp, sizeof tmp, "%s.%d", path, (int)getpid());
    int n = snprintf(buf, sizeof buf, "uid=%lu caps=%u shutdown=%u reason=%u dying=%u\n", s->uid,
                     s->caps, s->shutdown, s->reason, s->dying);
    int fd = real_open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int ok = write(fd, buf, n) == n;
    close(fd);
    return ok ? rename(tmp, path) : -1;
}

static uint8_t *changed_map(void)
{
    static uint8_t *m;
    char path[256];
    if (!m) {
        snprintf(path, sizeof path, "%s/changed", world());
        m = map_file(path, 65536, O_CREAT);
    }
    return m;
}

static int cmp_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Ids of all existing domains, ascending; caller frees. */
static uint32_t *all_domains(unsigned *n)
{
    DIR *d = opendir(world());
    struct dirent *e;
    uint32_t *v = NULL, id;
    unsigned cap = 0;
    char dummy;
    struct fx_state s;
    *n = 0;
    while (d && (e = readdir(d))) {
        if (sscanf(e->d_name, "dom%u%c", &id, &dummy) != 1 || read_state(id, &s))
            continue;
        if (*n == cap)
            v = realloc(v, (cap = cap ? 2 * cap : 64) * sizeof *v);
        v[(*n)++] = id;
    }
    if (d)
        closedir(d);
    if (v)
        qsort(v, *n, sizeof *v, cmp_u32);
    return v;
}

/* ---- event channels ---------------------------------------------------- */

static struct fx_end *end_open(uint32_t id, int create)
{
    char path[256];
    struct fx_end *e = calloc(1, sizeof *e);
    e->id = id;
    in_dom(path, sizeof path, id, "ports");
    e->t = map_file(path, sizeof *e->t, create ? O_CREAT : 0);
    in_dom(path, sizeof path, id, "fifo");
    if (create)
        mkfifo(path, 0600);
    e->fifo = real_open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
    if (!e->t || e->fifo < 0) {
        if (e->t)
            munmap(e->t, sizeof *e->t);
        if (e->fifo >= 0)
            close(e->fifo);
        free(e);
        return NULL;
    }
    if (create) {
        e->t->nports = FX_NPORTS;
        e->t->magic = FX_MAGIC;
    }
    return e;
}

static void end_close(struct fx_end *e)
{
    munmap(e->t, sizeof *e->t);
    close(e->fifo);
    free(e);
}

static void queue(struct fx_end *e, uint32_t port)
{
    while (write(e->fifo, &port, sizeof port) < 0 && errno == EINTR)
        ;
}

static void raise_port(struct fx_end *e, uint32_t port)
{
    if (!(atomic_fetch_or(&e->t->port[port].flags, FX_PENDING) & (FX_PENDING | FX_MASKED)))
        queue(e, port);
}

static int take_port(struct fx_end *e)
{
    uint32_t port;
    ssize_t n;
    while ((n = read(e->fifo, &port, sizeof port)) < 0 && errno == EINTR)
        ;
    if (n != sizeof port || port >= FX_NPORTS)
        return -1;
    atomic_exchange(&e->t->port[port].flags, FX_MASKED);
    return port;
}

static void unmask_port(struct fx_end *e, uint32_t port)
{
    if (atomic_fetch_and(&e->t->port[port].flags, ~(uint32_t)FX_MASKED) & FX_PENDING)
        queue(e, port);
}

static int alloc_port(struct fx_end *e, uint32_t type, uint32_t rdom, uint32_t rport)
{
    for (uint32_t p = 1; p < FX_NPORTS; p++) {
        uint32_t want = FX_FREE;
        if (atomic_compare_exchange_strong(&e->t->port[p].type, &want, type)) {
            e->t->port[p].remote_dom = rdom;
            e->t->port[p].remote_port = rport;
            atomic_store(&e->t->port[p].flags, 0);
            return p;
        }
    }
    errno = ENOSPC;
    return -1;
}

/*
 * Peers are kept open, one per domain id.  A domain that was destroyed and
 * made again has a new inode behind its fifo, so bind drops the cached one.
 */
static struct fx_end *peer_cache[65536];

static struct fx_end *peer(uint32_t id, int fresh)
{
    if (id > 65535) {
        errno = EINVAL;
        return NULL;
    }
    if (fresh && peer_cache[id]) {
        end_close(peer_cache[id]);
        peer_cache[id] = NULL;
    }
    if (!peer_cache[id])
        peer_cache[id] = end_open(id, 0);
    return peer_cache[id];
}

static int end_notify(struct fx_end *e, uint32_t port)
{
    if (port == 0 || port >= FX_NPORTS || e->t->port[port].type == FX_FREE) {
        errno = EINVAL;
        return -1;
    }
    if (e->t->port[port].type != FX_INTERDOMAIN)
        return 0;
    struct fx_end *r = peer(e->t->port[port].remote_dom, 0);
    if (!r) {
        errno = ENOENT;
        return -1;
    }
    raise_port(r, e->t->port[port].remote_port);
    return 0;
}

/* ---- guest side, used by fakeguest.py and xsbench through dlopen -------- */

static void make_domain(uint32_t id, unsigned long uid, unsigned caps)
{
    char path[256];
    struct fx_state s = { .uid = uid, .caps = caps };
    mkdir(in_dom(path, sizeof path, id, ""), 0755);
    void *p = map_file(in_dom(path, sizeof path, id, "page"), FX_PAGE, O_CREAT);
    if (p)
        munmap(p, FX_PAGE);
    struct fx_end *e = end_open(id, 1);
    if (e)
        end_close(e);
    write_state(id, &s);
}

static void raise_virq(void)
{
    struct fx_end *d = peer(FX_DAEMON, 1);
    for (uint32_t p = 1; d && p < FX_NPORTS; p++)
        if (d->t->port[p].type == FX_VIRQ && d->t->port[p].remote_dom == FX_VIRQ_DOM_EXC)
            raise_port(d, p);
}

static void make_dom0(void)
{
    char path[256];
    struct fx_state s;
    if (read_state(0, &s))
        make_domain(0, 1, 7);
    in_dom(path, sizeof path, 0, "xsd_port");
    if (access(path, F_OK)) {
        struct fx_end *e = end_open(0, 0);
        int port = e ? alloc_port(e, FX_UNBOUND, 0, 0) : 1;
        if (e)
            end_close(e);
        int fd = real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        dprintf(fd, "%d", port);
        close(fd);
    }
}

/* Make a domain (wiped when it was there); returns 0. */
EXPORT int fx_domain_create(uint32_t id, unsigned long uid, unsigned caps)
{
    char path[256];
    static const char *const leaf[] = { "state", "page", "ports", "fifo" };
    for (int i = 0; i < 4; i++)
        unlink(in_dom(path, sizeof path, id, leaf[i]));
    make_domain(id, uid, caps);
    changed_map()[id & 0xffff] = 1;
    return 0;
}

/* Change shutdown, dying and raise VIRQ_DOM_EXC; -1 leaves a field alone. */
EXPORT int fx_domain_set(uint32_t id, int shutdown_, int reason, int dying)
{
    struct fx_state s;
    if (read_state(id, &s))
        return -1;
    if (shutdown_ >= 0)
        s.shutdown = shutdown_;
    if (reason >= 0)
        s.reason = reason;
    if (dying >= 0)
        s.dying = dying;
    if (write_state(id, &s))
        return -1;
    changed_map()[id & 0xffff] = 1;
    raise_virq();
    return 0;
}

/* Remove the domain from the world and raise VIRQ_DOM_EXC. */
EXPORT int fx_domain_destroy(uint32_t id)
{
    char path[256];
    static const char *const leaf[] = { "state", "page", "ports", "fifo", "xsd_port" };
    for (int i = 0; i < 5; i++)
        unlink(in_dom(path, sizeof path, id, leaf[i]));
    rmdir(in_dom(path, sizeof path, id, ""));
    changed_map()[id & 0xffff] = 1;
    raise_virq();
    return 0;
}

/* The "kernel" of a domain opens its own end of event channels. */
EXPORT struct fx_end *fx_end_open(uint32_t id) { return end_open(id, 0); }
EXPORT void fx_end_close(struct fx_end *e) { end_close(e); }
EXPORT int fx_end_fd(struct fx_end *e) { return e->fifo; }
EXPORT int fx_alloc_unbound(struct fx_end *e, uint32_t remote) { return alloc_port(e, FX_UNBOUND, remote, 0); }
EXPORT int fx_notify(struct fx_end *e, uint32_t port) { return end_notify(e, port); }

/* Tell a (restarted) daemon again through a fresh fifo: forget cached peers. */
EXPORT void fx_forget_peers(void)
{
    for (int i = 0; i < 65536; i++)
        if (peer_cache[i]) {
            end_close(peer_cache[i]);
            peer_cache[i] = NULL;
        }
}

/* Wait for an event: its port, or 0 after timeout_ms. It is unmasked already. */
EXPORT int fx_wait(struct fx_end *e, int timeout_ms)
{
    struct pollfd p = { .fd = e->fifo, .events = POLLIN };
    if (poll(&p, 1, timeout_ms) <= 0)
        return 0;
    int port = take_port(e);
    if (port <= 0)
        return 0;
    unmask_port(e, port);
    return port;
}

EXPORT void *fx_page_map(uint32_t id)
{
    char path[256];
    return map_file(in_dom(path, sizeof path, id, "page"), FX_PAGE, 0);
}

/*
 * The guest half of the ring protocol. Layout of the page, from the public
 * description of the interface: 1024 bytes of requests, 1024 of replies, then
 * req_cons, req_prod, rsp_cons, rsp_prod, server_features, connection, error.
 */
#define RING 1024u
struct ring_page {
    uint8_t req[RING], rsp[RING];
    _Atomic uint32_t req_cons, req_prod, rsp_cons, rsp_prod;
    uint32_t features, connection, error;
};

/* Copy what fits into the request ring; how much that was, or -1 when broken. */
EXPORT int fx_ring_put(void *page, const uint8_t *d, uint32_t n)
{
    struct ring_page *r = page;
    uint32_t prod = atomic_load_explicit(&r->req_prod, memory_order_relaxed);
    uint32_t used = prod - atomic_load_explicit(&r->req_cons, memory_order_acquire);
    if (used > RING)
        return -1;
    if (n > RING - used)
        n = RING - used;
    uint32_t at = prod % RING, first = n < RING - at ? n : RING - at;
    memcpy(r->req + at, d, first);
    memcpy(r->req, d + first, n - first);
    atomic_store(&r->req_prod, prod + n);
    return n;
}

/* Take what is there from the reply ring, at most n bytes; -1 when broken. */
EXPORT int fx_ring_get(void *page, uint8_t *d, uint32_t n)
{
    struct ring_page *r = page;
    uint32_t cons = atomic_load_explicit(&r->rsp_cons, memory_order_relaxed);
    uint32_t avail = atomic_load_explicit(&r->rsp_prod, memory_order_acquire) - cons;
    if (avail > RING)
        return -1;
    if (n > avail)
        n = avail;
    uint32_t at = cons % RING, first = n < RING - at ? n : RING - at;
    memcpy(d, r->rsp + at, first);
    memcpy(d + first, r->rsp, n - first);
    atomic_store(&r->rsp_cons, cons + n);
    return n;
}

/* ---- libxenevtchn ------------------------------------------------------ */

typedef struct xenevtchn_handle xenevtchn_handle;
struct xentoollog_logger;

/*
 * A daemon that goes away takes its ports with it, and the domains' ends fall
 * back to unbound. It may have been killed, so the next one does this.
 */
static void unbind_leftovers(void)
{
    unsigned n;
    uint32_t *v = all_domains(&n);
    for (unsigned i = 0; i < n; i++) {
        struct fx_end *e = end_open(v[i], 0);
        for (uint32_t p = 1; e && p < FX_NPORTS; p++)
            if (e->t->port[p].type == FX_INTERDOMAIN && e->t->port[p].remote_dom == FX_DAEMON)
                atomic_store(&e->t->port[p].type, FX_UNBOUND);
        if (e)
            end_close(e);
    }
    free(v);
}

EXPORT xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *l, unsigned flags)
{
    char path[256];
    (void)l;
    CALL(xenevtchn_open, "flags=%u", flags);
    make_dom0();
    unbind_leftovers();
    mkdir(in_dom(path, sizeof path, FX_DAEMON, ""), 0755);
    unlink(in_dom(path, sizeof path, FX_DAEMON, "ports"));
    unlink(in_dom(path, sizeof path, FX_DAEMON, "fifo"));
    struct fx_end *e = end_open(FX_DAEMON, 1);
    if (e && (flags & 1)) /* XENEVTCHN_NO_CLOEXEC: stays open over exec */
        fcntl(e->fifo, F_SETFD, 0);
    return (void *)e;
}

EXPORT xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *l, int fd, unsigned flags)
{
    (void)l;
    (void)flags;
    CALL(xenevtchn_fdopen, "fd=%d", fd);
    struct fx_end *e = end_open(FX_DAEMON, 0);
    if (e) {
        close(e->fifo);
        e->fifo = fd;
    }
    return (void *)e;
}

EXPORT int xenevtchn_close(xenevtchn_handle *h)
{
    CALL(xenevtchn_close);
    if (h)
        end_close((void *)h);
    return 0;
}

EXPORT int xenevtchn_fd(xenevtchn_handle *h)
{
    count[C_xenevtchn_fd]++;
    return ((struct fx_end *)h)->fifo;
}

EXPORT int xenevtchn_notify(xenevtchn_handle *h, uint32_t port)
{
    CALL(xenevtchn_notify, "port=%u", port);
    return end_notify((void *)h, port);
}

EXPORT int xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t dom, uint32_t rport)
{
    struct fx_end *e = (void *)h, *r = peer(dom, 1);
    CALL(xenevtchn_bind_interdomain, "dom=%u remote_port=%u", dom, rport);
    if (!r) {
        errno = ESRCH;
        return -1;
    }
    if (rport == 0 || rport >= FX_NPORTS || r->t->port[rport].type != FX_UNBOUND) {
        errno = EINVAL;
        return -1;
    }
    int p = alloc_port(e, FX_INTERDOMAIN, dom, rport);
    if (p < 0)
        return -1;
    r->t->port[rport].remote_dom = FX_DAEMON;
    r->t->port[rport].remote_port = p;
    atomic_store(&r->t->port[rport].type, FX_INTERDOMAIN);
    raise_port(e, p);
    return p;
}

EXPORT int xenevtchn_bind_virq(xenevtchn_handle *h, unsigned virq)
{
    struct fx_end *e = (void *)h;
    CALL(xenevtchn_bind_virq, "virq=%u", virq);
    if (virq == FX_VIRQ_DOM_EXC) {
        unsigned n;
        uint32_t *v = all_domains(&n);
        for (unsigned i = 0; i < n; i++)
            changed_map()[v[i] & 0xffff] = 1;
        free(v);
    }
    return alloc_port(e, FX_VIRQ, virq, 0);
}

EXPORT int xenevtchn_unbind(xenevtchn_handle *h, uint32_t port)
{
    struct fx_end *e = (void *)h;
    CALL(xenevtchn_unbind, "port=%u", port);
    if (port == 0 || port >= FX_NPORTS || e->t->port[port].type == FX_FREE) {
        errno = EINVAL;
        return -1;
    }
    if (e->t->port[port].type == FX_INTERDOMAIN) {
        struct fx_end *r = peer(e->t->port[port].remote_dom, 0);
        uint32_t rp = e->t->port[port].remote_port;
        if (r && r->t->port[rp].type == FX_INTERDOMAIN && r->t->port[rp].remote_port == port) {
            r->t->port[rp].remote_dom = 0;
            r->t->port[rp].remote_port = 0;
            atomic_store(&r->t->port[rp].type, FX_UNBOUND);
        }
    }
    atomic_store(&e->t->port[port].type, FX_FREE);
    return 0;
}

EXPORT int xenevtchn_pending(xenevtchn_handle *h)
{
    int p = take_port((void *)h);
    CALL(xenevtchn_pending, "-> %d", p);
    return p;
}

EXPORT int xenevtchn_unmask(xenevtchn_handle *h, uint32_t port)
{
    CALL(xenevtchn_unmask, "port=%u", port);
    if (port >= FX_NPORTS) {
        errno = EINVAL;
        return -1;
    }
    unmask_port((void *)h, port);
    return 0;
}

/* ---- libxengnttab ------------------------------------------------------ */

static char gnttab_dummy;

EXPORT void *xengnttab_open(struct xentoollog_logger *l, unsigned flags)
{
    (void)l;
    CALL(xengnttab_open, "flags=%u", flags);
    return &gnttab_dummy;
}

EXPORT int xengnttab_close(void *h)
{
    (void)h;
    CALL(xengnttab_close);
    return 0;
}

EXPORT int xengnttab_set_max_grants(void *h, uint32_t n)
{
    (void)h;
    CALL(xengnttab_set_max_grants, "%u", n);
    return 0;
}

EXPORT void *xengnttab_map_grant_ref(void *h, uint32_t dom, uint32_t ref, int prot)
{
    (void)h;
    CALL(xengnttab_map_grant_ref, "dom=%u ref=%u prot=%d", dom, ref, prot);
    if (ref != 1) {
        errno = EINVAL;
        return NULL;
    }
    return fx_page_map(dom);
}

EXPORT int xengnttab_unmap(void *h, void *p, uint32_t n)
{
    (void)h;
    CALL(xengnttab_unmap, "n=%u", n);
    return munmap(p, (size_t)n * FX_PAGE);
}

/* ---- libxenforeignmemory ----------------------------------------------- */

static char foreign_dummy;

EXPORT void *xenforeignmemory_open(struct xentoollog_logger *l, unsigned flags)
{
    (void)l;
    CALL(xenforeignmemory_open, "flags=%u", flags);
    return &foreign_dummy;
}

EXPORT int xenforeignmemory_close(void *h)
{
    (void)h;
    CALL(xenforeignmemory_close);
    return 0;
}

/* One page at frame 1, where every domain's ring is. */
EXPORT void *xenforeignmemory_map(void *h, uint32_t dom, int prot, size_t pages, const unsigned long *frames, int *err)
{
    (void)h;
    CALL(xenforeignmemory_map, "dom=%u prot=%d frame=%lu", dom, prot, frames[0]);
    if (pages != 1 || frames[0] != 1) {
        errno = EINVAL;
        return NULL;
    }
    err[0] = 0;
    return fx_page_map(dom);
}

EXPORT int xenforeignmemory_unmap(void *h, void *p, size_t pages)
{
    (void)h;
    CALL(xenforeignmemory_unmap, "pages=%zu", pages);
    return munmap(p, pages * FX_PAGE);
}

/* ---- libxenctrl -------------------------------------------------------- */

#ifdef HAVE_XENCTRL
static char xc_dummy;

EXPORT xc_interface *xc_interface_open(xentoollog_logger *l, xentoollog_logger *d, unsigned flags)
{
    (void)l;
    (void)d;
    CALL(xc_interface_open, "flags=%u", flags);
    make_dom0();
    return (void *)&xc_dummy;
}

EXPORT int xc_interface_close(xc_interface *x)
{
    (void)x;
    CALL(xc_interface_close);
    return 0;
}

EXPORT const xc_error *xc_get_last_error(xc_interface *x)
{
    static xc_error e;
    (void)x;
    CALL(xc_get_last_error);
    e.code = XC_ERROR_NONE;
    return &e;
}

EXPORT int xc_domain_getinfo(xc_interface *x, uint32_t first, unsigned max, xc_dominfo_t *info)
{
    unsigned n, k = 0;
    struct fx_state s;
    (void)x;
    CALL(xc_domain_getinfo, "first=%u max=%u", first, max);
    if (max == 1 && !read_state(first, &s)) { /* the usual case, without a scan */
        memset(info, 0, sizeof *info);
        info->domid = first;
        info->shutdown = s.shutdown;
        info->shutdown_reason = s.reason;
        info->dying = s.dying == 2;
        info->running = 1;
        return 1;
    }
    uint32_t *v = all_domains(&n);
    for (unsigned i = 0; i < n && k < max; i++)
        if (v[i] >= first && !read_state(v[i], &s)) {
            memset(&info[k], 0, sizeof *info);
            info[k].domid = v[i];
            info[k].shutdown = s.shutdown;
            info[k].shutdown_reason = s.reason;
            info[k].dying = s.dying == 2;
            info[k++].running = 1;
        }
    free(v);
    return k;
}

static void fill_info(uint32_t id, const struct fx_state *s, xc_domaininfo_t *i)
{
    memset(i, 0, sizeof *i);
    i->domain = id;
    memcpy(i->handle, &s->uid, sizeof s->uid); /* the unique id stands for the UUID */
    i->flags = XEN_DOMINF_running | (s->dying == 2 ? XEN_DOMINF_dying : 0) |
               (s->shutdown ? XEN_DOMINF_shutdown : 0) |
               ((s->reason & XEN_DOMINF_shutdownmask) << XEN_DOMINF_shutdownshift);
}

EXPORT int xc_domain_getinfolist(xc_interface *x, uint32_t first, unsigned max, xc_domaininfo_t *info)
{
    unsigned n, k = 0;
    struct fx_state s;
    (void)x;
    CALL(xc_domain_getinfolist, "first=%u max=%u", first, max);
    if (getenv("FAKEXEN_REFUSE")) { /* as a hypervisor of another version does */
        errno = EACCES;
        return -1;
    }
    if (max == 1 && !read_state(first, &s)) {
        fill_info(first, &s, info);
        return 1;
    }
    uint32_t *v = all_domains(&n);
    for (unsigned i = 0; i < n && k < max; i++)
        if (v[i] >= first && !read_state(v[i], &s))
            fill_info(v[i], &s, &info[k++]);
    free(v);
    return k;
}

EXPORT int xc_domain_getinfo_single(xc_interface *x, uint32_t id, xc_domaininfo_t *info)
{
    struct fx_state s;
    (void)x;
    CALL(xc_domain_getinfo_single, "dom=%u", id);
    if (read_state(id, &s)) {
        errno = ESRCH;
        return -1;
    }
    if (info)
        fill_info(id, &s, info);
    return 0;
}

EXPORT void *xc_map_foreign_range(xc_interface *x, uint32_t dom, int size, int prot, unsigned long mfn)
{
    (void)x;
    CALL(xc_map_foreign_range, "dom=%u size=%d prot=%d mfn=%lu", dom, size, prot, mfn);
    if (size != (int)FX_PAGE) {
        errno = EINVAL;
        return NULL;
    }
    return fx_page_map(dom);
}
#endif

/* ---- libxenmanage (newer daemons) -------------------------------------- */

static char manage_dummy;

EXPORT void *xenmanage_open(struct xentoollog_logger *l, unsigned flags)
{
    (void)l;
    CALL(xenmanage_open, "flags=%u", flags);
    make_dom0();
    return &manage_dummy;
}

EXPORT int xenmanage_close(void *h)
{
    (void)h;
    CALL(xenmanage_close);
    return 0;
}

static int manage_info(uint32_t id, unsigned *state, unsigned *caps, uint64_t *uid)
{
    struct fx_state s;
    if (read_state(id, &s))
        return -1;
    if (state)
        *state = 1 | (s.shutdown ? 2 : 0) | (s.dying == 1 ? 4 : 0) | (s.dying == 2 ? 8 : 0);
    if (caps)
        *caps = s.caps;
    if (uid)
        *uid = s.uid;
    return 0;
}

EXPORT int xenmanage_get_domain_info(void *h, unsigned dom, unsigned *state, unsigned *caps, uint64_t *uid)
{
    (void)h;
    CALL(xenmanage_get_domain_info, "dom=%u", dom);
    if (manage_info(dom, state, caps, uid)) {
        errno = ENOENT;
        return -1;
    }
    return 0;
}

EXPORT int xenmanage_poll_changed_domain(void *h, unsigned *dom, unsigned *state, unsigned *caps, uint64_t *uid)
{
    uint8_t *m = changed_map();
    (void)h;
    for (unsigned i = 0; m && i < 65536; i++)
        if (m[i]) {
            m[i] = 0;
            *dom = i;
            if (manage_info(i, state, caps, uid)) { /* gone */
                if (state)
                    *state = 0;
                if (caps)
                    *caps = 0;
                if (uid)
                    *uid = 0;
            }
            CALL(xenmanage_poll_changed_domain, "-> %u", i);
            return 0;
        }
    CALL(xenmanage_poll_changed_domain, "-> none");
    errno = ENOENT;
    return -1;
}

/* ---- libc -------------------------------------------------------------- */

static int redirected_open(const char *path, int flags, mode_t mode)
{
    char buf[256];
    if (path && !strcmp(path, "/proc/xen/xsd_kva")) {
        CALL(open_xsd_kva);
        make_dom0();
        path = in_dom(buf, sizeof buf, 0, "page");
    } else if (path && !strcmp(path, "/proc/xen/xsd_port")) {
        CALL(open_xsd_port);
        make_dom0();
        path = in_dom(buf, sizeof buf, 0, "xsd_port");
    }
    return real_open(path, flags, mode);
}

static mode_t mode_arg(int flags, va_list ap)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t m = mode_arg(flags, ap);
    va_end(ap);
    return redirected_open(path, flags, m);
}

EXPORT int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t m = mode_arg(flags, ap);
    va_end(ap);
    return redirected_open(path, flags, m);
}

static const char *socket_from(void)
{
    const char *f = getenv("FAKEXEN_SOCKET_FROM");
    return f ? f : "/var/run/xenstored/socket";
}

static int is_socket_path(const char *p)
{
    return getenv("FAKEXEN_SOCKET") && p && !strcmp(p, socket_from());
}

EXPORT int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    if (!real)
        real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    if (sa && sa->sa_family == AF_UNIX && is_socket_path(((const struct sockaddr_un *)sa)->sun_path)) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        snprintf(to.sun_path, sizeof to.sun_path, "%s", getenv("FAKEXEN_SOCKET"));
        return real(fd, (struct sockaddr *)&to, sizeof to);
    }
    return real(fd, sa, len);
}

EXPORT int unlink(const char *path)
{
    if (is_socket_path(path))
        path = getenv("FAKEXEN_SOCKET");
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int setrlimit(__rlimit_resource_t what, const struct rlimit *r)
{
    if (prlimit(0, what, r, NULL) == 0)
        return 0;
    CALL(setrlimit, "resource=%d failed: %s", (int)what, strerror(errno));
    if (errno != EPERM || what != RLIMIT_NOFILE)
        return -1;
    struct rlimit have;
    if (getrlimit(what, &have))
        return -1;
    have.rlim_cur = have.rlim_max;
    return prlimit(0, what, &have, NULL);
}
