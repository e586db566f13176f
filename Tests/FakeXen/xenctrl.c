// SPDX-License-Identifier: Apache-2.0
// libxenctrl, as a daemon of Xen 4.17 calls it.
#include "fakexen.h"

static char xc_dummy;

EXPORT xc_interface *xc_interface_open(xentoollog_logger *l, xentoollog_logger *d, unsigned flags)
{
    (void)l;
    (void)d;
    TRACE("xc_interface_open flags=%u", flags);
    make_dom0();
    return (void *)&xc_dummy;
}

EXPORT int xc_interface_close(xc_interface *x)
{
    (void)x;
    TRACE("xc_interface_close");
    return 0;
}

EXPORT const xc_error *xc_get_last_error(xc_interface *x)
{
    static xc_error e;
    (void)x;
    TRACE("xc_get_last_error");
    e.code = XC_ERROR_NONE;
    return &e;
}

EXPORT int xc_domain_getinfo(xc_interface *x, uint32_t first, unsigned max, xc_dominfo_t *info)
{
    unsigned k = 0;
    struct fx_state s;
    (void)x;
    TRACE("xc_domain_getinfo first=%u max=%u", first, max);
    for (uint32_t id = next_domain(first); id < 65536 && k < max; id = next_domain(id + 1)) {
        read_state(id, &s);
        memset(&info[k], 0, sizeof *info);
        info[k].domid = id;
        info[k].shutdown = s.shutdown;
        info[k].shutdown_reason = s.reason;
        info[k].dying = s.dying == 2;
        info[k++].running = 1;
    }
    charge(FX_LIST, k);
    return k;
}

static void fill_info(uint32_t id, const struct fx_state *s, xc_domaininfo_t *i)
{
    memset(i, 0, sizeof *i);
    i->domain = id;
    memcpy(i->handle, &s->uid, sizeof s->uid); /* the unique id stands for the UUID */
    i->flags = XEN_DOMINF_running | (s->dying == 2 ? XEN_DOMINF_dying : 0) |
               (s->shutdown ? XEN_DOMINF_shutdown : 0) |
               ((s->reason & XEN_DOMINF_shutdownmask) << XEN_DOMINF_shutdownshift);
}

EXPORT int xc_domain_getinfolist(xc_interface *x, uint32_t first, unsigned max, xc_domaininfo_t *info)
{
    unsigned k = 0;
    struct fx_state s;
    (void)x;
    TRACE("xc_domain_getinfolist first=%u max=%u", first, max);
    if (getenv("FAKEXEN_REFUSE")) { /* as a hypervisor of another version does */
        errno = EACCES;
        return -1;
    }
    for (uint32_t id = next_domain(first); id < 65536 && k < max; id = next_domain(id + 1)) {
        read_state(id, &s);
        fill_info(id, &s, &info[k++]);
    }
    charge(FX_LIST, k);
    return k;
}

EXPORT int xc_domain_getinfo_single(xc_interface *x, uint32_t id, xc_domaininfo_t *info)
{
    struct fx_state s;
    (void)x;
    TRACE("xc_domain_getinfo_single dom=%u", id);
    charge(FX_LIST, 1);
    if (read_state(id, &s)) {
        errno = ESRCH;
        return -1;
    }
    if (info)
        fill_info(id, &s, info);
    return 0;
}

EXPORT void *xc_map_foreign_range(xc_interface *x, uint32_t dom, int size, int prot, unsigned long mfn)
{
    (void)x;
    TRACE("xc_map_foreign_range dom=%u size=%d prot=%d mfn=%lu", dom, size, prot, mfn);
    if (size != (int)FX_PAGE) {
        errno = EINVAL;
        return NULL;
    }
    charge(FX_MAP, 0);
    return fx_page_map(dom);
}
