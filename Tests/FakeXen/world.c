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

int read_state(uint32_t id, struct fx_state *s)
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

int write_state(uint32_t id, const struct fx_state *s)
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

static int cmp_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Ids of all domains that have a folder, ascending; caller frees, and asks each for its state. */
uint32_t *all_domains(unsigned *n)
{
    DIR *d = opendir(world());
    struct dirent *e;
    uint32_t *v = NULL, id;
    unsigned cap = 0;
    char dummy;
    *n = 0;
    while (d && (e = readdir(d))) {
        if (sscanf(e->d_name, "dom%u%c", &id, &dummy) != 1)
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
    for (uint32_t p = 1; d && p < FX_NPORTS; p++)
        if (d->t->port[p].type == FX_VIRQ && d->t->port[p].remote_dom == FX_VIRQ_DOM_EXC)
            raise_port(d, p);
}

void make_dom0(void)
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
