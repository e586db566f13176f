// SPDX-License-Identifier: Apache-2.0
// The world: domains as folders of files.
#include "fakexen.h"

const char *world(void)
{
    static char dir[200];
    if (!dir[0]) {
        const char *e = getenv("FAKEXEN_DIR");
        snprintf(dir, sizeof dir, "%s", e && *e ? e : "/tmp/fakexen");
        mkdir(dir, 0755);
    }
    return dir;
}

const char *in_dom(char *buf, size_t n, uint32_t id, const char *leaf)
{
    if (id == FX_DAEMON)
        snprintf(buf, n, "%s/xenstored/%s", world(), leaf);
    else
        snprintf(buf, n, "%s/dom%u/%s", world(), id, leaf);
    return buf;
}

int real_open(const char *p, int flags, mode_t mode)
{
    return openat(AT_FDCWD, p, flags, mode);
}

void *map_file(const char *path, size_t len, int flags)
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

/* The states of all domains. In one table, so that to look at them costs next to nothing: what a daemon is measured with
 * is its own cost. */
static struct fx_states *states(void)
{
    static struct fx_states *m;
    char path[256];
    if (!m) {
        snprintf(path, sizeof path, "%s/states", world());
        m = map_file(path, sizeof *m, O_CREAT);
    }
    return m;
}

int read_state(uint32_t id, struct fx_state *s)
{
    if (id > 65535 || !states())
        return -1;
    *s = states()->domain[id];
    return s->uid ? 0 : -1;
}

int write_state(uint32_t id, const struct fx_state *s)
{
    if (id > 65535 || !states())
        return -1;
    states()->domain[id] = *s;
    if (s->uid && id >= states()->count)
        states()->count = id + 1;
    return 0;
}

uint8_t *changed_map(void)
{
    static uint8_t *m;
    char path[256];
    if (!m) {
        snprintf(path, sizeof path, "%s/changed", world());
        m = map_file(path, 65536, O_CREAT);
    }
    return m;
}

uint32_t local_domain(void)
{
    const char *e = getenv("FAKEXEN_LOCAL");
    return e ? atoi(e) : 0;
}

/* The first existing domain from this id on; 65536 if there is none. */
uint32_t next_domain(uint32_t id)
{
    for (; states() && id < states()->count; id++)
        if (states()->domain[id].uid)
            return id;
    return 65536;
}

/* The first domain whose state has changed; 65536 if there is none. Looks at words, as at the hypervisor's bitmap. */
uint32_t next_changed(void)
{
    const uint8_t *map = changed_map();
    unsigned long word, count = map && states() ? states()->count : 0;
    for (unsigned long id = 0; id < count; id += sizeof word) {
        memcpy(&word, map + id, sizeof word);
        for (unsigned i = 0; word && i < sizeof word; i++)
            if (map[id + i])
                return id + i;
    }
    return 65536;
}

/* Ids of all existing domains, ascending; caller frees. */
uint32_t *all_domains(unsigned *n)
{
    unsigned count = states() ? states()->count : 0;
    uint32_t *v = malloc((count + 1) * sizeof *v);
    *n = 0;
    for (uint32_t id = 0; v && id < count; id++)
        if (states()->domain[id].uid)
            v[(*n)++] = id;
    return v;
}

void make_domain(uint32_t id, unsigned long uid, unsigned caps)
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

void raise_virq(void)
{
    struct fx_end *d = peer(FX_DAEMON, 1);
    for (uint32_t p = 1; d && p < d->t->nports; p++)
        if (d->t->port[p].type == FX_VIRQ && d->t->port[p].remote_dom == FX_VIRQ_DOM_EXC) {
            raise_port(d, p);
            return; /* the hypervisor knows one receiver */
        }
}

void make_dom0(void)
{
    char path[256];
    struct fx_state s;
    uint32_t local = local_domain();
    if (read_state(local, &s))
        make_domain(local, 1, 7);
    in_dom(path, sizeof path, local, "xsd_port");
    if (access(path, F_OK)) {
        struct fx_end *e = end_open(local, 0);
        int port = e ? alloc_port(e, FX_UNBOUND, 0, 0) : 1;
        if (e)
            end_close(e);
        int fd = real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        dprintf(fd, "%d", port);
        close(fd);
    }
}
