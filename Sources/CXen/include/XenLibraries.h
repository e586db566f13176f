// SPDX-License-Identifier: Apache-2.0
// The functions of Xen's stable libraries that the daemon calls, as it finds them when it runs. A type is named after its
// function. A test compares all of them with Xen's headers; the build needs no header of Xen.
#ifndef SXENSTORED_XENLIBRARIES_H
#define SXENSTORED_XENLIBRARIES_H
#include <stddef.h>
#include <stdint.h>

struct xentoollog_logger;
struct xenevtchn_handle;
struct xengntdev_handle;
struct xenforeignmemory_handle;
struct xenmanage_handle;

// The number of a page, which Xen's headers call xen_pfn_t.
#if defined(__x86_64__) || defined(__i386__)
typedef unsigned long xen_page_number;
#else
typedef uint64_t xen_page_number;
#endif

typedef struct xenevtchn_handle *(*xenevtchn_open_call)(struct xentoollog_logger *logger, unsigned int flags);
typedef int (*xenevtchn_close_call)(struct xenevtchn_handle *handle);
typedef int (*xenevtchn_fd_call)(struct xenevtchn_handle *handle);
typedef int (*xenevtchn_bind_interdomain_call)(struct xenevtchn_handle *handle, uint32_t domain, uint32_t port);
typedef int (*xenevtchn_bind_virq_call)(struct xenevtchn_handle *handle, unsigned int virq);
typedef int (*xenevtchn_unbind_call)(struct xenevtchn_handle *handle, uint32_t port);
typedef int (*xenevtchn_notify_call)(struct xenevtchn_handle *handle, uint32_t port);
typedef int (*xenevtchn_pending_call)(struct xenevtchn_handle *handle);
typedef int (*xenevtchn_unmask_call)(struct xenevtchn_handle *handle, uint32_t port);

typedef struct xengntdev_handle *(*xengnttab_open_call)(struct xentoollog_logger *logger, unsigned int flags);
typedef int (*xengnttab_close_call)(struct xengntdev_handle *handle);
typedef void *(*xengnttab_map_grant_ref_call)(struct xengntdev_handle *handle, uint32_t domain, uint32_t reference,
                                              int protection);
typedef int (*xengnttab_unmap_call)(struct xengntdev_handle *handle, void *start, uint32_t count);

typedef struct xenforeignmemory_handle *(*xenforeignmemory_open_call)(struct xentoollog_logger *logger,
                                                                      unsigned int flags);
typedef int (*xenforeignmemory_close_call)(struct xenforeignmemory_handle *handle);
typedef void *(*xenforeignmemory_map_call)(struct xenforeignmemory_handle *handle, uint32_t domain, int protection,
                                           size_t count, const xen_page_number *pages, int *failures);
typedef int (*xenforeignmemory_unmap_call)(struct xenforeignmemory_handle *handle, void *start, size_t count);

typedef struct xenmanage_handle *(*xenmanage_open_call)(struct xentoollog_logger *logger, unsigned int flags);
typedef int (*xenmanage_close_call)(struct xenmanage_handle *handle);
typedef int (*xenmanage_get_domain_info_call)(struct xenmanage_handle *handle, unsigned int domain,
                                              unsigned int *state, unsigned int *capabilities, uint64_t *unique_id);
typedef int (*xenmanage_poll_changed_domain_call)(struct xenmanage_handle *handle, unsigned int *domain,
                                                  unsigned int *state, unsigned int *capabilities,
                                                  uint64_t *unique_id);
#endif
