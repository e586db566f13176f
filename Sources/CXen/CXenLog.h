// SPDX-License-Identifier: Apache-2.0
#ifndef SXENSTORED_CXENLOG_H
#define SXENSTORED_CXENLOG_H
#include <stdarg.h>
#include <stddef.h>
#include <xentoollog.h>

// Left to themselves, Xen's libraries write what fails to standard error, past the daemon's log, and wait there for a
// reader. What matters of it the daemon says itself.
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
