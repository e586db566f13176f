// SPDX-License-Identifier: Apache-2.0
// Event channels: a table of ports for each side, and a fifo that wakes it.
#include "fakexen.h"

struct fx_end *end_open(uint32_t id, int create)
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

void end_close(struct fx_end *e)
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

void raise_port(struct fx_end *e, uint32_t port)
{
    if (!(atomic_fetch_or(&e->t->port[port].flags, FX_PENDING) & (FX_PENDING | FX_MASKED)))
        queue(e, port);
}

int take_port(struct fx_end *e)
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

void unmask_port(struct fx_end *e, uint32_t port)
{
    if (atomic_fetch_and(&e->t->port[port].flags, ~(uint32_t)FX_MASKED) & FX_PENDING)
        queue(e, port);
}

int alloc_port(struct fx_end *e, uint32_t type, uint32_t rdom, uint32_t rport)
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
 * Peers stay open, one for each domain id. A domain that was destroyed and
 * made again has a new fifo, so bind closes the old one.
 */
struct fx_end *peer_cache[65536];

struct fx_end *peer(uint32_t id, int fresh)
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

int end_notify(struct fx_end *e, uint32_t port)
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
