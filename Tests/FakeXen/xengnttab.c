// SPDX-License-Identifier: Apache-2.0
// libxengnttab, as a daemon calls it.
#include "fakexen.h"

static char gnttab_dummy;

EXPORT void *xengnttab_open(struct xentoollog_logger *l, unsigned flags)
{
    (void)l;
    TRACE("xengnttab_open flags=%u", flags);
    return &gnttab_dummy;
}

EXPORT int xengnttab_close(void *h)
{
    (void)h;
    TRACE("xengnttab_close");
    return 0;
}

EXPORT int xengnttab_set_max_grants(void *h, uint32_t n)
{
    (void)h;
    TRACE("xengnttab_set_max_grants %u", n);
    return 0;
}

EXPORT void *xengnttab_map_grant_ref(void *h, uint32_t dom, uint32_t ref, int prot)
{
    (void)h;
    TRACE("xengnttab_map_grant_ref dom=%u ref=%u prot=%d", dom, ref, prot);
    if (ref != 1) {
        errno = EINVAL;
        return NULL;
    }
    charge(FX_MAP, 0);
    return fx_page_map(dom);
}

EXPORT int xengnttab_unmap(void *h, void *p, uint32_t n)
{
    (void)h;
    TRACE("xengnttab_unmap n=%u", n);
    return munmap(p, (size_t)n * FX_PAGE);
}
