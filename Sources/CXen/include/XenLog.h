// SPDX-License-Identifier: Apache-2.0
#ifndef SXENSTORED_XENLOG_H
#define SXENSTORED_XENLOG_H
#include <stdarg.h>
#include <stddef.h>

struct xentoollog_logger;

// The form of the logger that Xen's libraries want: struct xentoollog_logger.
struct xen_logger {
    void (*vmessage)(struct xentoollog_logger *logger, int level, int code, const char *context, const char *format,
                     va_list arguments);
    void (*progress)(struct xentoollog_logger *logger, const char *context, const char *task, int percent,
                     unsigned long done, unsigned long total);
    void (*destroy)(struct xentoollog_logger *logger);
};

static void xen_say_nothing(struct xentoollog_logger *logger, int level, int code, const char *context,
                            const char *format, va_list arguments)
{
}

static void xen_keep_logger(struct xentoollog_logger *logger)
{
}

// By default Xen's libraries write errors to standard error. The daemon's log does not see them, and a write may block.
// The daemon itself logs the errors that matter.
static inline struct xentoollog_logger *xen_silent_logger(void)
{
    static struct xen_logger logger = { xen_say_nothing, NULL, xen_keep_logger };
    return (struct xentoollog_logger *)&logger;
}
#endif
