// SPDX-License-Identifier: Apache-2.0
// libxenmanage, as a daemon of Xen 4.21 and later calls it.
#include "fakexen.h"

static char manage_dummy;

EXPORT void *xenmanage_open(struct xentoollog_logger *l, unsigned flags)
{
    (void)l;
    TRACE("xenmanage_open flags=%u", flags);
    make_dom0();
    return &manage_dummy;
}

EXPORT int xenmanage_close(void *h)
{
    (void)h;
    TRACE("xenmanage_close");
    return 0;
}

static int manage_info(uint32_t id, unsigned *state, unsigned *caps, uint64_t *uid)
{
    struct fx_state s;
    if (read_state(id, &s))
        return -1;
    if (state)
        *state = 1 | (s.shutdown ? 2 : 0) | (s.dying == 1 ? 4 : 0) | (s.dying == 2 ? 8 : 0);
    if (caps)
        *caps = s.caps;
    if (uid)
        *uid = s.uid;
    return 0;
}

EXPORT int xenmanage_get_domain_info(void *h, unsigned dom, unsigned *state, unsigned *caps, uint64_t *uid)
{
    (void)h;
    TRACE("xenmanage_get_domain_info dom=%u", dom);
    charge(FX_INFO, 1);
    if (dom >= 0x7ff0) { /* no number of a domain */
        errno = EINVAL;
        return -1;
    }
    if (!strcmp(getenv("FAKEXEN_MANAGE"), "refused")) { /* as a hypervisor before Xen 4.21 does */
        errno = EOPNOTSUPP;
        return -1;
    }
    if (manage_info(dom, state, caps, uid)) {
        errno = ENOENT;
        return -1;
    }
    return 0;
}

EXPORT int xenmanage_poll_changed_domain(void *h, unsigned *dom, unsigned *state, unsigned *caps, uint64_t *uid)
{
    uint32_t id = next_changed();
    (void)h;
    charge(FX_POLL, id < 65536);
    if (id == 65536) {
        TRACE("xenmanage_poll_changed_domain -> none");
        errno = ENOENT;
        return -1;
    }
    changed_map()[id] = 0;
    *dom = id;
    if (manage_info(id, state, caps, uid)) { /* gone */
        if (state)
            *state = 0;
        if (caps)
            *caps = 0;
        if (uid)
            *uid = 0;
    }
    TRACE("xenmanage_poll_changed_domain -> %u", id);
    return 0;
}
