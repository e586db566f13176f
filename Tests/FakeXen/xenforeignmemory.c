// SPDX-License-Identifier: Apache-2.0
// libxenforeignmemory, as a daemon calls it.
#include "fakexen.h"

static char foreign_dummy;

EXPORT void *xenforeignmemory_open(struct xentoollog_logger *l, unsigned flags)
{
    (void)l;
    TRACE("xenforeignmemory_open flags=%u", flags);
    return &foreign_dummy;
}

EXPORT int xenforeignmemory_close(void *h)
{
    (void)h;
    TRACE("xenforeignmemory_close");
    return 0;
}

/* Maps one page, at gfn 1, where every domain has its ring. */
EXPORT void *xenforeignmemory_map(void *h, uint32_t dom, int prot, size_t pages, const unsigned long *frames, int *err)
{
    (void)h;
    TRACE("xenforeignmemory_map dom=%u prot=%d frame=%lu", dom, prot, frames[0]);
    if (pages != 1 || frames[0] != 1) {
        errno = EINVAL;
        return NULL;
    }
    err[0] = 0;
    charge(FX_MAP, 0);
    return fx_page_map(dom);
}

EXPORT int xenforeignmemory_unmap(void *h, void *p, size_t pages)
{
    (void)h;
    TRACE("xenforeignmemory_unmap pages=%zu", pages);
    return munmap(p, pages * FX_PAGE);
}
