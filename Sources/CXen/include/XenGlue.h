// SPDX-License-Identifier: Apache-2.0
// The glue between the daemon and one version of Xen: a shared object that is linked to that version's libxenctrl, and
// that tells which domains there are. The daemon itself is the same for every Xen.
#ifndef SXENSTORED_XENGLUE_H
#define SXENSTORED_XENGLUE_H
#include <stdint.h>

// The version of the table below. It changes when the meaning of a field changes; new fields come last.
#define XEN_GLUE_ABI 1
// The name of the table in the shared object.
#define XEN_GLUE_SYMBOL "sxenstored_xen_glue"

// One domain. The bits are those of libxenmanage, which tells the same from Xen 4.21 on.
struct xen_glue_domain {
    uint32_t domain;
    uint32_t state;        // 1 exists, 2 shut down, 4 dying, 8 dead
    uint32_t capabilities; // 1 control, 2 hardware, 4 xenstore
    uint32_t unused;
    uint64_t unique_id;
};

struct xen_glue {
    uint32_t abi;
    // The size of the table in bytes, as the glue knows it.
    uint32_t size;
    // The version of Xen, such as "4.17", and of the interface that the hypervisor must have.
    const char *version;
    uint32_t interface;
    uint32_t unused;
    // Connects to the hypervisor. NULL with errno if that fails.
    void *(*open)(void);
    void (*close)(void *handle);
    // Lists at most `count` domains from the number `first` on, in ascending order. Returns how many; -1 with errno if
    // that fails.
    int (*list)(void *handle, uint32_t first, uint32_t count, struct xen_glue_domain *domains);
};
#endif
