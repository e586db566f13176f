// SPDX-License-Identifier: Apache-2.0
// Tells the daemon which domains there are, through the libxenctrl of one version of Xen. `make xen-glue` builds it.
#include "XenGlue.h"

#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xentoollog.h>

// The most domains that one call to the hypervisor lists.
#define MOST 1024

struct glue {
    xc_interface *xen;
    xc_domaininfo_t found[MOST];
};

// libxenctrl would write to standard error, past the daemon's log.
static void say_nothing(xentoollog_logger *logger, xentoollog_level level, int code, const char *context,
                        const char *format, va_list arguments)
{
    (void)logger, (void)level, (void)code, (void)context, (void)format, (void)arguments;
}

static void keep(xentoollog_logger *logger) { (void)logger; }

static xentoollog_logger silent = { say_nothing, NULL, keep };

static void *glue_open(void)
{
    struct glue *glue = calloc(1, sizeof *glue);
    if (!glue)
        return NULL;
    glue->xen = xc_interface_open(&silent, &silent, XC_OPENFLAG_NON_REENTRANT);
    if (glue->xen)
        return glue;
    free(glue);
    return NULL;
}

static void glue_close(void *handle)
{
    struct glue *glue = handle;
    xc_interface_close(glue->xen);
    free(glue);
}

// libxenctrl has nothing better than the UUID to tell apart two domains with the same number.
static uint64_t unique_id(const xen_domain_handle_t uuid)
{
    uint64_t halves[2];
    memcpy(halves, uuid, sizeof halves);
    return halves[0] ^ halves[1];
}

// Before libxenmanage, dom0 is the domain that controls the host.
static uint32_t capabilities(const xc_domaininfo_t *found)
{
    uint32_t capabilities = found->domain == 0 ? 1 | 2 : 0;
#ifdef XEN_DOMINF_xs_domain
    if (found->flags & XEN_DOMINF_xs_domain)
        capabilities |= 4;
#endif
    return capabilities;
}

static int glue_list(void *handle, uint32_t first, uint32_t count, struct xen_glue_domain *domains)
{
    struct glue *glue = handle;
    int found = xc_domain_getinfolist(glue->xen, first, count < MOST ? count : MOST, glue->found);
    for (int i = 0; i < found; i++) {
        const xc_domaininfo_t *each = &glue->found[i];
        domains[i] = (struct xen_glue_domain){
            .domain = each->domain,
            .state = 1 | (each->flags & XEN_DOMINF_shutdown ? 2 : 0) | (each->flags & XEN_DOMINF_dying ? 8 : 0),
            .capabilities = capabilities(each),
            .unique_id = unique_id(each->handle),
        };
    }
    return found;
}

__attribute__((visibility("default"))) const struct xen_glue sxenstored_xen_glue = {
    .abi = XEN_GLUE_ABI,
    .size = sizeof(struct xen_glue),
    .version = XEN_VERSION,
    .interface = XEN_DOMCTL_INTERFACE_VERSION,
    .open = glue_open,
    .close = glue_close,
    .list = glue_list,
};
