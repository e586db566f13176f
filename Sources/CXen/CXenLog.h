// SPDX-License-Identifier: Apache-2.0
#ifndef SXENSTORED_CXENLOG_H
#define SXENSTORED_CXENLOG_H
#include <stdarg.h>
#include <stddef.h>
#include <xentoollog.h>

// By default Xen's libraries write errors to standard error. The daemon's log does not see them, and a write may block.
// The daemon itself logs the errors that matter.
static void xen_say_nothing(struct xentoollog_logger *logger, xentoollog_level level, int code, const char *context,
                            const char *format, va_list arguments)
{
}

static void xen_keep_logger(struct xentoollog_logger *logger)
{
}

static inline struct xentoollog_logger *xen_silent_logger(void)
{
    static struct xentoollog_logger logger = { xen_say_nothing, NULL, xen_keep_logger };
    return &logger;
}
#endif
