// SPDX-License-Identifier: Apache-2.0
// Event channels: a table of ports for each side, and a fifo that wakes it.
#include "fakexen.h"

static uint32_t port_count(uint32_t id) { return id == FX_DAEMON ? FX_DAEMON_PORTS : FX_NPORTS; }

static size_t table_size(uint32_t id) { return sizeof(struct fx_table) + port_count(id) * sizeof(struct fx_port); }

static int open_fifo(uint32_t id)
{
    char path[256];
    return real_open(in_dom(path, sizeof path, id, "fifo"), O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
}

/* Opens a side without its fifo. */
static struct fx_end *table_open(uint32_t id, int create)
{
    char path[256];
    struct fx_end *e = calloc(1, sizeof *e);
    e->id = id;
    e->first = 1;
    e->fifo = -1;
    e->t = map_file(in_dom(path, sizeof path, id, "ports"), table_size(id), create ? O_CREAT : 0);
    if (!e->t) {
        free(e);
        return NULL;
    }
    if (create) {
        e->t->nports = port_count(id);
        e->t->magic = FX_MAGIC;
    }
    return e;
}

struct fx_end *end_open(uint32_t id, int create)
{
    char path[256];
    struct fx_end *e = table_open(id, create);
    if (!e)
        return NULL;
    if (create)
        mkfifo(in_dom(path, sizeof path, id, "fifo"), 0600);
    e->fifo = open_fifo(id);
    if (e->fifo < 0) {
        end_close(e);
        return NULL;
    }
    return e;
}

/*
 * The fifos of peers that are open. On Xen all channels of a process share one descriptor. Here each peer's fifo would
 * take one, so the one that was opened first is closed when there are many.
 */
static struct fx_end *open_peers[256];

static void open_peer(struct fx_end *e)
{
    static unsigned next;
    struct fx_end **place = &open_peers[next++ % (sizeof open_peers / sizeof open_peers[0])];
    if (*place) {
        close((*place)->fifo);
        (*place)->fifo = -1;
    }
    e->fifo = open_fifo(e->id);
    *place = e->fifo < 0 ? NULL : e;
}

void end_close(struct fx_end *e)
{
    for (unsigned i = 0; i < sizeof open_peers / sizeof open_peers[0]; i++)
        if (open_peers[i] == e)
            open_peers[i] = NULL;
    munmap(e->t, table_size(e->id));
    if (e->fifo >= 0)
        close(e->fifo);
    free(e);
}

static void queue(struct fx_end *e, uint32_t port)
{
    if (e->fifo < 0)
        open_peer(e);
    while (e->fifo >= 0 && write(e->fifo, &port, sizeof port) < 0 && errno == EINTR)
        ;
}

void raise_port(struct fx_end *e, uint32_t port)
{
    if (e->fifo < 0)
        open_peer(e);
    if (!(atomic_fetch_or(&e->t->port[port].flags, FX_PENDING) & (FX_PENDING | FX_MASKED)))
        queue(e, port);
}

/*
 * A hypervisor raises an event in one step. Here the daemon does it in two, and may be killed between them: then the
 * event is marked, nobody learns of it, and no later one is queued. To be called when the next daemon binds the port.
 */
void finish_raising(struct fx_end *e, uint32_t port)
{
    if ((atomic_load(&e->t->port[port].flags) & (FX_PENDING | FX_MASKED)) == FX_PENDING)
        queue(e, port);
}

int take_port(struct fx_end *e)
{
    uint32_t port;
    ssize_t n;
    while ((n = read(e->fifo, &port, sizeof port)) < 0 && errno == EINTR)
        ;
    if (n != sizeof port || port >= e->t->nports)
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
    for (uint32_t p = e->first; p < e->t->nports; p++) {
        uint32_t want = FX_FREE;
        if (atomic_compare_exchange_strong(&e->t->port[p].type, &want, type)) {
            e->t->port[p].remote_dom = rdom;
            e->t->port[p].remote_port = rport;
            atomic_store(&e->t->port[p].flags, 0);
            e->first = p + 1;
            return p;
        }
    }
    errno = ENOSPC;
    return -1;
}

/*
 * Peers stay open, one for each domain id, until their channel is unbound. A domain that was destroyed and
 * made again has a new fifo, so bind closes the old one.
 */
struct fx_end *peer_cache[65536];

void close_peer(uint32_t id)
{
    if (id > 65535 || !peer_cache[id])
        return;
    end_close(peer_cache[id]);
    peer_cache[id] = NULL;
}

struct fx_end *peer(uint32_t id, int fresh)
{
    if (id > 65535) {
        errno = EINVAL;
        return NULL;
    }
    if (fresh)
        close_peer(id);
    if (!peer_cache[id])
        peer_cache[id] = table_open(id, 0);
    return peer_cache[id];
}

int end_notify(struct fx_end *e, uint32_t port)
{
    if (port == 0 || port >= e->t->nports || e->t->port[port].type == FX_FREE) {
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
