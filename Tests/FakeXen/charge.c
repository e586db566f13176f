// SPDX-License-Identifier: Apache-2.0
/*
 * What the calls of a daemon would cost on a Xen host. A look into a file is nearly free, and a daemon that always asks
 * for every domain would shine here. So the file `calls` in the world counts the calls, and the domains in their
 * answers. With FAKEXEN_CHARGE="CALL DOMAIN" each of both takes that many nanoseconds of the daemon's processor time.
 *
 * Without the variable nothing is charged. Tests/Benchmarks charges 2000 and 300. Both are assumptions: there was no
 * Xen on real hardware to measure on. A call is a system call, a hypercall and the buffers of the library, and each of
 * the three takes some hundred nanoseconds at least. For a domain the hypervisor walks over its processors and copies
 * some 130 bytes. The figures are rather too high than too low, so that nobody gains by them.
 */
#include "fakexen.h"
#include <time.h>

struct fx_calls {
    struct {
        _Atomic uint64_t calls, domains;
    } of[FX_CALL_KINDS];
};

struct price {
    int is_known;
    unsigned long call, domain;
};

static struct fx_calls *counts(void)
{
    static struct fx_calls *m;
    char path[256];
    if (!m) {
        snprintf(path, sizeof path, "%s/calls", world());
        m = map_file(path, sizeof *m, O_CREAT);
    }
    return m;
}

static const struct price *price(void)
{
    static struct price p;
    if (!p.is_known) {
        const char *text = getenv("FAKEXEN_CHARGE");
        if (text && sscanf(text, "%lu %lu", &p.call, &p.domain) != 2)
            dprintf(2, "fakexen: FAKEXEN_CHARGE is not two numbers\n");
        p.is_known = 1;
    }
    return &p;
}

static uint64_t processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void charge(enum fx_call call, unsigned domains)
{
    int before = errno;
    uint64_t due = price()->call + domains * price()->domain;
    if (counts()) {
        counts()->of[call].calls++;
        counts()->of[call].domains += domains;
    }
    if (due)
        for (uint64_t end = processor_time() + due; processor_time() < end;)
            ;
    errno = before;
}

int is_traced(void)
{
    static int known, traced;
    if (!known) {
        traced = getenv("FAKEXEN_TRACE") != NULL;
        known = 1;
    }
    return traced;
}
