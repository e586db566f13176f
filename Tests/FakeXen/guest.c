// SPDX-License-Identifier: Apache-2.0
// A guest kernel's side, for programs that play the part of one.
#include "fakexen.h"

/* Makes a domain with an empty page, or empties an existing one. Returns 0. */
EXPORT int fx_domain_create(uint32_t id, unsigned long uid, unsigned caps)
{
    char path[256];
    static const char *const leaf[] = { "page", "ports", "fifo" };
    for (int i = 0; i < 3; i++)
        unlink(in_dom(path, sizeof path, id, leaf[i]));
    make_domain(id, uid, caps);
    changed_map()[id & 0xffff] = 1;
    return 0;
}

/* Changes shutdown and dying, and raises VIRQ_DOM_EXC. -1 leaves a field as it is. */
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

/* Removes the domain from the world, and tells nobody. */
EXPORT void fx_domain_remove(uint32_t id)
{
    char path[256];
    static const char *const leaf[] = { "page", "ports", "fifo", "xsd_port" };
    const struct fx_state gone = { .uid = 0 };
    write_state(id, &gone);
    for (int i = 0; i < 4; i++)
        unlink(in_dom(path, sizeof path, id, leaf[i]));
    rmdir(in_dom(path, sizeof path, id, ""));
    changed_map()[id & 0xffff] = 1;
}

/* Raises VIRQ_DOM_EXC. */
EXPORT void fx_tell(void) { raise_virq(); }

/* Removes the domain from the world, and raises VIRQ_DOM_EXC. */
EXPORT int fx_domain_destroy(uint32_t id)
{
    fx_domain_remove(id);
    raise_virq();
    return 0;
}

/* Opens the end of event channels that the domain's kernel has. */
EXPORT struct fx_end *fx_end_open(uint32_t id) { return end_open(id, 0); }
EXPORT void fx_end_close(struct fx_end *e) { end_close(e); }
EXPORT int fx_end_fd(struct fx_end *e) { return e->fifo; }
EXPORT int fx_alloc_unbound(struct fx_end *e, uint32_t remote) { return alloc_port(e, FX_UNBOUND, remote, 0); }
EXPORT int fx_notify(struct fx_end *e, uint32_t port) { return end_notify(e, port); }

/* Forgets open peers, since a restarted daemon has a new fifo. */
EXPORT void fx_forget_peers(void)
{
    for (int i = 0; i < 65536; i++)
        close_peer(i);
}

/* Waits for an event, and unmasks its port. Returns the port, or 0 after timeout_ms. */
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

/* Copies as many bytes as fit into the request ring. Returns their number, or -1 if the ring is broken. */
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

/* Takes up to n bytes from the reply ring. Returns their number, or -1 if the ring is broken. */
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
