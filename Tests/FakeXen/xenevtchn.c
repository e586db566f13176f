// SPDX-License-Identifier: Apache-2.0
// libxenevtchn, as a daemon calls it.
#include "fakexen.h"

typedef struct xenevtchn_handle xenevtchn_handle;
struct xentoollog_logger;

/*
 * When a daemon ends, its ports are closed and the domains' ends are unbound.
 * It may have been killed, so the next daemon does this.
 */
static void unbind_leftovers(void)
{
    unsigned n;
    uint32_t *v = all_domains(&n);
    for (unsigned i = 0; i < n; i++) {
        struct fx_end *e = end_open(v[i], 0);
        for (uint32_t p = 1; e && p < e->t->nports; p++)
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
    TRACE("xenevtchn_open flags=%u", flags);
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
    TRACE("xenevtchn_fdopen fd=%d", fd);
    struct fx_end *e = end_open(FX_DAEMON, 0);
    if (e) {
        close(e->fifo);
        e->fifo = fd;
    }
    return (void *)e;
}

EXPORT int xenevtchn_close(xenevtchn_handle *h)
{
    TRACE("xenevtchn_close");
    if (h)
        end_close((void *)h);
    return 0;
}

EXPORT int xenevtchn_fd(xenevtchn_handle *h)
{
    return ((struct fx_end *)h)->fifo;
}

EXPORT int xenevtchn_notify(xenevtchn_handle *h, uint32_t port)
{
    TRACE("xenevtchn_notify port=%u", port);
    charge(FX_NOTIFY, 0);
    return end_notify((void *)h, port);
}

EXPORT int xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t dom, uint32_t rport)
{
    struct fx_end *e = (void *)h, *r = peer(dom, 1);
    TRACE("xenevtchn_bind_interdomain dom=%u remote_port=%u", dom, rport);
    charge(FX_BIND, 0);
    if (!r) {
        errno = ESRCH;
        return -1;
    }
    if (rport == 0 || rport >= r->t->nports || r->t->port[rport].type != FX_UNBOUND) {
        errno = EINVAL;
        return -1;
    }
    int p = alloc_port(e, FX_INTERDOMAIN, dom, rport);
    if (p < 0)
        return -1;
    r->t->port[rport].remote_dom = FX_DAEMON;
    r->t->port[rport].remote_port = p;
    atomic_store(&r->t->port[rport].type, FX_INTERDOMAIN);
    finish_raising(r, rport);
    raise_port(e, p);
    return p;
}

EXPORT int xenevtchn_bind_virq(xenevtchn_handle *h, unsigned virq)
{
    struct fx_end *e = (void *)h;
    TRACE("xenevtchn_bind_virq virq=%u", virq);
    charge(FX_BIND, 0);
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
    TRACE("xenevtchn_unbind port=%u", port);
    charge(FX_BIND, 0);
    if (port == 0 || port >= e->t->nports || e->t->port[port].type == FX_FREE) {
        errno = EINVAL;
        return -1;
    }
    if (e->t->port[port].type == FX_INTERDOMAIN) {
        uint32_t id = e->t->port[port].remote_dom;
        struct fx_end *r = peer(id, 0);
        uint32_t rp = e->t->port[port].remote_port;
        if (r && r->t->port[rp].type == FX_INTERDOMAIN && r->t->port[rp].remote_port == port) {
            r->t->port[rp].remote_dom = 0;
            r->t->port[rp].remote_port = 0;
            atomic_store(&r->t->port[rp].type, FX_UNBOUND);
        }
        close_peer(id);
    }
    atomic_store(&e->t->port[port].type, FX_FREE);
    if (port < e->first)
        e->first = port;
    return 0;
}

EXPORT int xenevtchn_pending(xenevtchn_handle *h)
{
    int p = take_port((void *)h);
    TRACE("xenevtchn_pending -> %d", p);
    return p;
}

EXPORT int xenevtchn_unmask(xenevtchn_handle *h, uint32_t port)
{
    TRACE("xenevtchn_unmask port=%u", port);
    if (port >= ((struct fx_end *)h)->t->nports) {
        errno = EINVAL;
        return -1;
    }
    unmask_port((void *)h, port);
    return 0;
}
