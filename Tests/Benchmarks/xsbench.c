// SPDX-License-Identifier: Apache-2.0
/*
 * xsbench: load a XenStore daemon and time it, over the raw wire protocol.
 *
 *   cc -O2 -Wall -o xsbench xsbench.c
 *   xsbench --socket PATH --op OP [options]
 *
 * One thread drives every connection with epoll (a single connection is driven
 * with plain blocking calls, so that ping-pong costs no extra system call).
 * Latency is from the moment a request is queued to its reply (for operations
 * of several requests, to the last one).
 *
 * Operations:
 *   read write getperms   on a random node of the tree
 *   directory             of a random directory of the tree (100 children)
 *   mkdir_rm              make and remove a node, two operations
 *   transaction_rmw       start, read, write, commit: one operation
 *   watch_fire            one writer, --watches W watches that all match, spread
 *                         over --clients connections; an operation is a write
 *                         until the last of its W events has arrived
 *   watch_idle            the same with W watches elsewhere in the tree: what
 *                         a write costs while others watch something else
 *   dir_flat              DIRECTORY of one node with --nodes children (3 digit
 *                         names, so 1000 still fit one reply)
 *   dir_part              the whole list of one node with --nodes children by
 *                         DIRECTORY_PART; an operation is the whole list
 *   connect               connect, read one node, close
 *   populate              write the tree and stop
 *   raw                   header and --value-size bytes of type READ, nothing
 *                         is populated: for echofloor
 *
 * Options: --clients N (1) --pipeline DEPTH (1) --seconds S (2) --warmup S (0.2)
 *   --value-size B (16) --nodes N (100) --watches W (1) --no-populate --json
 *   --pid PID   the daemon: adds its CPU time per operation and its RSS
 *   --ring DOM  be the kernel of a new simulated domain DOM instead of a socket
 *               client (needs --lib libfakexen.so and FAKEXEN_DIR; the tree is
 *               then below the domain's own path, so keep --nodes below quota)
 *
 * The tree is /bench/<i/100>/<i%100> for i below --nodes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    T_DIRECTORY = 1, T_READ = 2, T_GETPERMS = 3, T_WATCH = 4, T_UNWATCH = 5, T_TSTART = 6, T_TEND = 7,
    T_INTRODUCE = 8, T_RELEASE = 9, T_WRITE = 11, T_MKDIR = 12, T_RM = 13, T_SETPERMS = 14,
    T_EVENT = 15, T_ERROR = 16, T_DIRPART = 22
};

enum op {
    READ, WRITE, GETPERMS, DIRECTORY, MKDIR_RM, TRANSACTION_RMW, WATCH_FIRE, WATCH_IDLE, DIR_FLAT,
    DIR_PART, CONNECT, POPULATE, RAW, NOPS
};
static const char *const op_name[] = {
    "read", "write", "getperms", "directory", "mkdir_rm", "transaction_rmw", "watch_fire",
    "watch_idle", "dir_flat", "dir_part", "connect", "populate", "raw"
};

struct hdr {
    uint32_t type, id, tx, len;
};

struct slot {
    uint64_t t0;
    uint32_t tx, node, step, offset;
    char gen[32];
};

struct conn {
    int fd, idx;
    int armed; /* EPOLLOUT is on */
    uint8_t *in, *out;
    size_t in_at, in_end, in_cap, out_at, out_end, out_cap;
    struct slot *slot;
    void *page, *end; /* ring mode */
    int port;
};

static enum op op;
static const char *sock_path, *lib_path;
static int clients = 1, depth = 1, json, no_populate, ring_dom = -1, daemon_pid;
static double seconds = 2, warmup = 0.2;
static unsigned nodes = 100, watches = 1, value_size = 16;
static char base[64] = "/bench";
static char *value;
static uint64_t done, errors, conflicts, events, rng = 88172645463325252ull;
static char first_error[64];

static void die(const char *f, ...)
{
    va_list ap;
    va_start(ap, f);
    vfprintf(stderr, f, ap);
    va_end(ap);
    fprintf(stderr, errno ? ": %s\n" : "\n", strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint32_t rnd(uint32_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return n ? (rng >> 11) % n : 0;
}

/* ---- histogram: 64 buckets for each power of two ------------------------ */

static uint64_t hist[64 * 64], hist_n, hist_max;

static void record(uint64_t ns)
{
    int e = ns < 64 ? 0 : 57 - __builtin_clzll(ns); /* then ns >> e is 64 .. 127 */
    hist[(e * 64 + (ns >> e)) % (64 * 64)]++;
    hist_n++;
    if (ns > hist_max)
        hist_max = ns;
}

static uint64_t bucket_value(unsigned b)
{
    unsigned e, m;
    if (b < 128) /* the first two rows hold 0 .. 127 as they are */
        return b;
    e = b / 64 - 1;
    m = b % 64 + 64;
    return ((uint64_t)m << e) + ((1ull << e) >> 1);
}

static uint64_t quantile(double q)
{
    uint64_t want = (uint64_t)(q * hist_n), n = 0;
    for (unsigned b = 0; b < 64 * 64; b++)
        if ((n += hist[b]) > want)
            return bucket_value(b) < hist_max ? bucket_value(b) : hist_max;
    return hist_max;
}

/* ---- transport ---------------------------------------------------------- */

static int (*fx_create)(uint32_t, unsigned long, unsigned), (*fx_alloc)(void *, int), (*fx_note)(void *, int),
    (*fx_wait)(void *, int), (*fx_put)(void *, const void *, uint32_t), (*fx_get)(void *, void *, uint32_t),
    (*fx_destroy)(uint32_t);
static void *(*fx_open)(uint32_t), *(*fx_page)(uint32_t);

static void load_lib(void)
{
    void *h = dlopen(lib_path ? lib_path : "./libfakexen.so", RTLD_NOW | RTLD_LOCAL);
    if (!h) {
        errno = 0;
        die("%s", dlerror());
    }
    *(void **)&fx_create = dlsym(h, "fx_domain_create");
    *(void **)&fx_destroy = dlsym(h, "fx_domain_destroy");
    *(void **)&fx_alloc = dlsym(h, "fx_alloc_unbound");
    *(void **)&fx_note = dlsym(h, "fx_notify");
    *(void **)&fx_wait = dlsym(h, "fx_wait");
    *(void **)&fx_put = dlsym(h, "fx_ring_put");
    *(void **)&fx_get = dlsym(h, "fx_ring_get");
    *(void **)&fx_open = dlsym(h, "fx_end_open");
    *(void **)&fx_page = dlsym(h, "fx_page_map");
}

static int dial(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", sock_path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
        die("connect %s", sock_path);
    return fd;
}

static struct conn *conn_new(int idx, int fd)
{
    struct conn *c = calloc(1, sizeof *c);
    c->idx = idx;
    c->fd = fd;
    c->slot = calloc(depth, sizeof *c->slot);
    c->in = malloc(c->in_cap = 1 << 17);
    c->out = malloc(c->out_cap = 1 << 17);
    return c;
}

static void put(struct conn *c, const void *p, size_t n)
{
    if (c->out_end + n > c->out_cap)
        c->out = realloc(c->out, c->out_cap = 2 * (c->out_end + n));
    memcpy(c->out + c->out_end, p, n);
    c->out_end += n;
}

/* Queue a message: path, its NUL, then `n` more bytes. */
static void msg(struct conn *c, uint32_t type, uint32_t id, uint32_t tx, const char *path, const void *more, size_t n)
{
    size_t pl = path ? strlen(path) + 1 : 0;
    struct hdr h = { type, id, tx, (uint32_t)(pl + n) };
    put(c, &h, sizeof h);
    if (pl)
        put(c, path, pl);
    if (n)
        put(c, more, n);
}

/* Send what is queued; with block, all of it. */
static void flush(struct conn *c, int block)
{
    while (c->out_at < c->out_end) {
        if (c->page) {
            int n = fx_put(c->page, c->out + c->out_at, c->out_end - c->out_at);
            if (n < 0)
                die("ring is broken");
            c->out_at += n;
            if (n)
                fx_note(c->end, c->port);
            else
                return;
            continue;
        }
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_end - c->out_at,
                         MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die("send");
        c->out_at += n;
    }
    c->out_at = c->out_end = 0;
}

/* Receive something; 0 when there was nothing. */
static int fill(struct conn *c, int block)
{
    ssize_t n;
    if (c->in_at == c->in_end)
        c->in_at = c->in_end = 0;
    else if (c->in_cap - c->in_end < 8192) {
        memmove(c->in, c->in + c->in_at, c->in_end - c->in_at);
        c->in_end -= c->in_at;
        c->in_at = 0;
    }
    if (c->page) {
        while ((n = fx_get(c->page, c->in + c->in_end, c->in_cap - c->in_end)) == 0 && block) {
            if (!fx_wait(c->end, 5000))
                die("no event from the daemon within 5 s");
            if (c->out_at < c->out_end)
                flush(c, 0);
        }
        if (n < 0)
            die("ring is broken");
        if (n)
            fx_note(c->end, c->port);
        c->in_end += n;
        return n > 0;
    }
    do
        n = recv(c->fd, c->in + c->in_end, c->in_cap - c->in_end, block ? 0 : MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    errno = n == 0 ? 0 : errno;
    if (n <= 0)
        die("the daemon closed connection %d", c->idx);
    c->in_end += n;
    return 1;
}

/* The next whole message of what was received, or NULL. */
static struct hdr *next(struct conn *c, uint8_t **body)
{
    struct hdr *h = (struct hdr *)(c->in + c->in_at);
    if (c->in_end - c->in_at < sizeof *h || c->in_end - c->in_at < sizeof *h + h->len)
        return NULL;
    *body = c->in + c->in_at + sizeof *h;
    c->in_at += sizeof *h + h->len;
    return h;
}

/* One request and its reply, watch events are counted and dropped. */
static struct hdr *call(struct conn *c, uint32_t type, const char *path, const void *more, size_t n, uint8_t **body)
{
    struct hdr *h;
    msg(c, type, 0, 0, path, more, n);
    flush(c, 1);
    for (;;) {
        while (!(h = next(c, body)))
            fill(c, 1);
        if (h->type != T_EVENT)
            return h;
        events++;
    }
}

static void must(struct conn *c, uint32_t type, const char *path, const void *more, size_t n)
{
    uint8_t *body;
    struct hdr *h = call(c, type, path, more, n, &body);
    errno = 0;
    if (h->type == T_ERROR)
        die("request %u on %s: %.*s", type, path, (int)h->len, body);
}

/* ---- operations --------------------------------------------------------- */

static void node_path(char *p, uint32_t i) { sprintf(p, "%s/%u/%u", base, i / 100, i % 100); }

static void begin(struct conn *c, uint32_t id)
{
    struct slot *s = &c->slot[id];
    char p[128];
    s->t0 = now();
    s->step = 0;
    s->node = rnd(nodes);
    node_path(p, s->node);
    switch (op) {
    case READ: msg(c, T_READ, id, 0, p, 0, 0); break;
    case WRITE: msg(c, T_WRITE, id, 0, p, value, value_size); break;
    case GETPERMS: msg(c, T_GETPERMS, id, 0, p, 0, 0); break;
    case DIRECTORY: *strrchr(p, '/') = 0; msg(c, T_DIRECTORY, id, 0, p, 0, 0); break;
    case MKDIR_RM:
        sprintf(p, "%s/t%d/%u", base, c->idx, id);
        msg(c, T_MKDIR, id, 0, p, 0, 0);
        break;
    case TRANSACTION_RMW: msg(c, T_TSTART, id, 0, "", 0, 0); break;
    case DIR_FLAT: sprintf(p, "%s/flat", base); msg(c, T_DIRECTORY, id, 0, p, 0, 0); break;
    case DIR_PART:
        s->offset = 0;
        sprintf(p, "%s/part", base);
        msg(c, T_DIRPART, id, 0, p, "0", 2);
        break;
    case RAW: msg(c, T_READ, id, 0, NULL, value, value_size); break;
    default: die("no such operation here");
    }
}

/* A reply to slot `id` has come: 1 when its operation is complete. */
static int step(struct conn *c, uint32_t id, struct hdr *h, uint8_t *body)
{
    struct slot *s = &c->slot[id];
    char p[128];
    if (h->type == T_ERROR) {
        if (op == TRANSACTION_RMW && h->len >= 6 && !memcmp(body, "EAGAIN", 6)) {
            conflicts++; /* try again, the clock runs on */
            s->step = 0;
            msg(c, T_TSTART, id, 0, "", 0, 0);
            return 0;
        }
        if (!errors++)
            snprintf(first_error, sizeof first_error, "%.*s", (int)h->len, body);
        return 1;
    }
    switch (op) {
    case MKDIR_RM:
        if (s->step++)
            return 1;
        record(now() - s->t0);
        done++;
        s->t0 = now();
        sprintf(p, "%s/t%d/%u", base, c->idx, id);
        msg(c, T_RM, id, 0, p, 0, 0);
        return 0;
    case TRANSACTION_RMW:
        node_path(p, s->node);
        switch (s->step++) {
        case 0: s->tx = strtoul((char *)body, 0, 10); msg(c, T_READ, id, s->tx, p, 0, 0); return 0;
        case 1: msg(c, T_WRITE, id, s->tx, p, value, value_size); return 0;
        case 2: msg(c, T_TEND, id, s->tx, "T", 0, 0); return 0;
        }
        return 1;
    case DIR_PART: {
        /* generation, NUL, then names; an empty name ends the list */
        size_t g = strnlen((char *)body, h->len) + 1, n = h->len - g;
        char off[32];
        if (s->offset == 0)
            snprintf(s->gen, sizeof s->gen, "%s", (char *)body);
        else if (strcmp(s->gen, (char *)body))
            conflicts++;
        if (n == 0 || (n >= 2 ? !body[h->len - 1] && !body[h->len - 2] : 1))
            return 1;
        s->offset += n;
        sprintf(off, "%u", s->offset);
        sprintf(p, "%s/part", base);
        msg(c, T_DIRPART, id, 0, p, off, strlen(off) + 1);
        return 0;
    }
    default: return 1;
    }
}

static void handle(struct conn *c, int refill)
{
    struct hdr *h;
    uint8_t *body;
    while ((h = next(c, &body))) {
        if (h->type == T_EVENT) {
            events++;
            continue;
        }
        uint32_t id = h->id;
        if (id >= (uint32_t)depth)
            die("reply to request %u", id);
        if (step(c, id, h, body)) {
            record(now() - c->slot[id].t0);
            done++;
            if (refill)
                begin(c, id);
        }
    }
}

static void reset_counters(void)
{
    memset(hist, 0, sizeof hist);
    hist_n = hist_max = done = errors = conflicts = events = 0;
}

/* Write many nodes through one connection with a window of requests. */
static void bulk(struct conn *c, unsigned n, void (*path)(char *, uint32_t), const void *v, size_t vn)
{
    char p[128];
    struct hdr *h;
    uint8_t *body;
    unsigned sent = 0, got = 0;
    while (got < n) {
        while (sent < n && sent - got < 32) {
            path(p, sent++);
            msg(c, T_WRITE, 0, 0, p, v, vn);
        }
        flush(c, 1);
        fill(c, 1);
        while ((h = next(c, &body)))
            if (h->type == T_ERROR) {
                errno = 0;
                die("populate, node %u: %.*s", got, (int)h->len, body);
            } else if (h->type != T_EVENT)
                got++;
    }
}

static void flat_path(char *p, uint32_t i) { sprintf(p, "%s/flat/%03u", base, i); }
static void part_path(char *p, uint32_t i) { sprintf(p, "%s/part/%05u", base, i); }

/* ---- the daemon's own cost ---------------------------------------------- */

static uint64_t cpu_start; /* daemon_cpu when the measurement began */

static uint64_t daemon_cpu(void)
{
    char p[300];
    uint64_t sum = 0, ns;
    DIR *d;
    struct dirent *e;
    if (!daemon_pid)
        return 0;
    sprintf(p, "/proc/%d/task", daemon_pid);
    for (d = opendir(p); d && (e = readdir(d));) {
        snprintf(p, sizeof p, "/proc/%d/task/%s/schedstat", daemon_pid, e->d_name);
        FILE *f = *e->d_name == '.' ? NULL : fopen(p, "r");
        if (f && fscanf(f, "%lu", &ns) == 1)
            sum += ns;
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return sum;
}

static long daemon_rss_kb(void)
{
    char p[64], line[256];
    long kb = 0;
    sprintf(p, "/proc/%d/status", daemon_pid);
    FILE *f = daemon_pid ? fopen(p, "r") : NULL;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

/* ---- main --------------------------------------------------------------- */

static double run_loop(struct conn **cs, int n)
{
    int ep = -1;
    struct epoll_event ev[128];
    uint64_t start, stop;
    if (n > 1) {
        ep = epoll_create1(EPOLL_CLOEXEC);
        for (int i = 0; i < n; i++) {
            ev[0].events = EPOLLIN;
            ev[0].data.ptr = cs[i];
            epoll_ctl(ep, EPOLL_CTL_ADD, cs[i]->fd, &ev[0]);
        }
    }
    for (int i = 0; i < n; i++) {
        for (int s = 0; s < depth; s++)
            begin(cs[i], s);
        flush(cs[i], 0);
    }
    int warm = 0;
    start = now();
    stop = start + (uint64_t)(warmup * 1e9);
    for (;;) {
        if (n == 1) {
            fill(cs[0], 1);
            handle(cs[0], 1);
            flush(cs[0], cs[0]->page == NULL);
        } else {
            int k = epoll_wait(ep, ev, 128, 1000);
            if (k == 0)
                die("no reply within a second");
            for (int i = 0; i < k; i++) {
                struct conn *c = ev[i].data.ptr;
                if (ev[i].events & ~EPOLLOUT) {
                    fill(c, 0);
                    handle(c, 1);
                }
                flush(c, 0);
                int want = c->out_at < c->out_end;
                if (want != c->armed) {
                    struct epoll_event e = { .events = EPOLLIN | (want ? EPOLLOUT : 0), .data.ptr = c };
                    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
                    c->armed = want;
                }
            }
        }
        uint64_t t = now();
        if (t < stop)
            continue;
        if (warm)
            return (t - start) / 1e9;
        warm = 1;
        reset_counters();
        rng += 12345;
        start = now();
        stop = start + (uint64_t)(seconds * 1e9);
        cpu_start = daemon_cpu();
    }
}

static double run_connect(void)
{
    uint64_t start = now(), stop = start + (uint64_t)(seconds * 1e9), t;
    char p[128];
    cpu_start = daemon_cpu();
    while ((t = now()) < stop) {
        struct conn *c = conn_new(0, dial());
        node_path(p, rnd(nodes));
        must(c, T_READ, p, 0, 0);
        close(c->fd);
        record(now() - t);
        done++;
        free(c->slot);
        free(c->in);
        free(c->out);
        free(c);
    }
    return (t - start) / 1e9;
}

static unsigned take_events(struct conn *c)
{
    struct hdr *h;
    uint8_t *body;
    unsigned n = 0;
    while ((h = next(c, &body)))
        n += h->type == T_EVENT;
    return n;
}

static double run_watch(struct conn *writer, struct conn **cs, int n)
{
    char p[128], tok[32];
    unsigned per = op == WATCH_FIRE ? watches : 0;
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev[128];
    for (int i = 0; i < n; i++) {
        ev[0].events = EPOLLIN;
        ev[0].data.ptr = cs[i];
        epoll_ctl(ep, EPOLL_CTL_ADD, cs[i]->fd, &ev[0]);
    }
    sprintf(p, "%s/w/x", base);
    must(writer, T_WRITE, p, "", 0);
    events = 0;
    for (unsigned w = 0; w < watches; w++) {
        sprintf(tok, "t%u", w);
        if (op == WATCH_FIRE)
            sprintf(p, "%s/w", base);
        else {
            sprintf(p, "%s/idle/%u", base, w);
            must(writer, T_WRITE, p, "", 0);
        }
        must(cs[w % n], T_WATCH, p, tok, strlen(tok) + 1);
    }
    /* each new watch fires once; some events came together with the replies */
    for (int i = 0; i < n; i++)
        events += take_events(cs[i]);
    while (events < watches) {
        int k = epoll_wait(ep, ev, 128, 2000);
        if (k <= 0)
            die("initial events: %lu of %u", events, watches);
        for (int i = 0; i < k; i++) {
            struct conn *c = ev[i].data.ptr;
            fill(c, 0);
            events += take_events(c);
        }
    }
    uint64_t start = now(), stop = start + (uint64_t)(warmup * 1e9), t, total = 0;
    int warm = 0;
    sprintf(p, "%s/w/x", base);
    for (;;) {
        uint64_t t0 = now();
        events = 0;
        must(writer, T_WRITE, p, value, value_size);
        while (events < per) {
            int k = epoll_wait(ep, ev, 128, 2000);
            if (k <= 0)
                die("events: %lu of %u", events, per);
            for (int i = 0; i < k; i++) {
                struct conn *c = ev[i].data.ptr;
                fill(c, 0);
                events += take_events(c);
            }
        }
        t = now();
        total += events;
        record(t - t0);
        done++;
        if (t < stop)
            continue;
        if (warm)
            break;
        warm = 1;
        reset_counters();
        total = 0;
        cpu_start = daemon_cpu();
        start = now();
        stop = start + (uint64_t)(seconds * 1e9);
    }
    events = total;
    return (t - start) / 1e9;
}

static void parse(int argc, char **argv)
{
    static const struct option o[] = {
        { "socket", 1, 0, 's' }, { "op", 1, 0, 'o' }, { "clients", 1, 0, 'c' }, { "pipeline", 1, 0, 'p' },
        { "seconds", 1, 0, 't' }, { "value-size", 1, 0, 'v' }, { "nodes", 1, 0, 'n' }, { "watches", 1, 0, 'w' },
        { "json", 0, 0, 'j' }, { "no-populate", 0, 0, 'N' }, { "pid", 1, 0, 'P' }, { "ring", 1, 0, 'r' },
        { "lib", 1, 0, 'l' }, { "warmup", 1, 0, 'u' }, { 0 }
    };
    int k;
    errno = 0;
    while ((k = getopt_long(argc, argv, "", o, NULL)) != -1)
        switch (k) {
        case 's': sock_path = optarg; break;
        case 'o':
            for (op = 0; op < NOPS && strcmp(op_name[op], optarg); op++)
                ;
            if (op == NOPS)
                die("no operation called %s", optarg);
            break;
        case 'c': clients = atoi(optarg); break;
        case 'p': depth = atoi(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'u': warmup = atof(optarg); break;
        case 'v': value_size = atoi(optarg); break;
        case 'n': nodes = atoi(optarg); break;
        case 'w': watches = atoi(optarg); break;
        case 'j': json = 1; break;
        case 'N': no_populate = 1; break;
        case 'P': daemon_pid = atoi(optarg); break;
        case 'r': ring_dom = atoi(optarg); break;
        case 'l': lib_path = optarg; break;
        default: exit(2);
        }
    if (!sock_path || clients < 1 || depth < 1 || value_size > 4000)
        die("usage: xsbench --socket PATH --op OP [...]");
    if (ring_dom >= 0 && clients != 1)
        die("--ring has one client");
}

/* A new simulated domain whose kernel is this process. */
static struct conn *ring_open(struct conn *admin)
{
    char p[64], perm[16], arg[64];
    struct conn *c = conn_new(0, -1);
    load_lib();
    fx_create(ring_dom, now(), 0);
    c->end = fx_open(ring_dom);
    c->page = fx_page(ring_dom);
    c->port = fx_alloc(c->end, 0);
    sprintf(p, "/local/domain/%d", ring_dom);
    must(admin, T_MKDIR, p, 0, 0);
    sprintf(perm, "n%d", ring_dom);
    must(admin, T_SETPERMS, p, perm, strlen(perm) + 1);
    sprintf(p, "%d", ring_dom);
    int n = sprintf(arg, "1%c%d", 0, c->port);
    must(admin, T_INTRODUCE, p, arg, n + 1);
    snprintf(base, sizeof base, "bench");
    return c;
}

static void ring_close(struct conn *admin)
{
    char p[64];
    uint8_t *body;
    fx_destroy(ring_dom);
    sprintf(p, "/local/domain/%d", ring_dom);
    usleep(20000);
    call(admin, T_RM, p, 0, 0, &body);
}

static void populate(struct conn *c)
{
    if (no_populate || op == RAW || op == WATCH_FIRE || op == WATCH_IDLE)
        return;
    if (op == DIR_FLAT)
        bulk(c, nodes, flat_path, "", 0);
    else if (op == DIR_PART)
        bulk(c, nodes, part_path, "", 0);
    else
        bulk(c, nodes, node_path, value, value_size);
}

/* Where mkdir_rm has its nodes: made even if the tree is there, as it is for other clients then. */
static void make_folders(struct conn *admin)
{
    char p[128];
    for (int i = 0; i < clients && op == MKDIR_RM && ring_dom < 0; i++) {
        sprintf(p, "%s/t%d", base, i);
        must(admin, T_MKDIR, p, 0, 0);
    }
}

static double measure(struct conn *admin, struct conn **cs)
{
    switch (op) {
    case POPULATE: return 0;
    case CONNECT: return run_connect();
    case WATCH_FIRE:
    case WATCH_IDLE: return run_watch(admin, cs, clients);
    default: return run_loop(cs, clients);
    }
}

struct result {
    double seconds, rate, cpu_ns, populate_s;
    long rss_before, rss;
};

static void report_json(const struct result *r)
{
    printf("{\"op\":\"%s\",\"clients\":%d,\"pipeline\":%d,\"nodes\":%u,\"value\":%u,\"watches\":%u,\"ring\":%s,"
           "\"seconds\":%.3f,\"ops\":%lu,\"ops_per_s\":%.0f,\"p50_ns\":%lu,\"p99_ns\":%lu,\"p999_ns\":%lu,"
           "\"max_ns\":%lu,\"errors\":%lu,\"first_error\":\"%s\",\"conflicts\":%lu,\"events\":%lu,"
           "\"daemon_cpu_ns_per_op\":%.0f,\"populate_s\":%.3f,\"rss_kb_before\":%ld,\"rss_kb\":%ld}\n",
           op_name[op], clients, depth, nodes, value_size, watches, ring_dom >= 0 ? "true" : "false", r->seconds, done,
           r->rate, quantile(.5), quantile(.99), quantile(.999), hist_max, errors, first_error, conflicts, events,
           r->cpu_ns, r->populate_s, r->rss_before, r->rss);
}

static void report(const struct result *r)
{
    printf("%-16s c=%-3d d=%-3d n=%-7u %9.0f op/s  p50 %lu p99 %lu p999 %lu ns", op_name[op], clients, depth, nodes,
           r->rate, quantile(.5), quantile(.99), quantile(.999));
    if (daemon_pid)
        printf("  cpu %.0f ns/op rss %ld->%ld kB", r->cpu_ns, r->rss_before, r->rss);
    if (!no_populate)
        printf("  populate %.3f s", r->populate_s);
    if (conflicts)
        printf("  conflicts %lu", conflicts);
    if (events)
        printf("  events %lu", events);
    if (errors)
        printf("  ERRORS %lu (%s)", errors, first_error);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct result r;
    parse(argc, argv);
    value = malloc(value_size + 1);
    memset(value, 'v', value_size);

    struct conn *admin = op == RAW ? NULL : conn_new(-1, dial()), **cs = calloc(clients, sizeof *cs);
    for (int i = 0; i < clients; i++)
        cs[i] = ring_dom >= 0 ? ring_open(admin) : conn_new(i, op == CONNECT ? -1 : dial());

    r.rss_before = daemon_rss_kb();
    uint64_t start = now();
    populate(ring_dom >= 0 ? cs[0] : admin);
    r.populate_s = (now() - start) / 1e9;
    r.rss = daemon_rss_kb();
    make_folders(admin);

    cpu_start = daemon_cpu();
    r.seconds = measure(admin, cs);
    uint64_t cpu = daemon_cpu() - cpu_start;
    r.rate = r.seconds > 0 ? done / r.seconds : 0;
    r.cpu_ns = done ? (double)cpu / done : 0;

    (json ? report_json : report)(&r);
    if (ring_dom >= 0)
        ring_close(admin);
    return 0;
}
