/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy for the tests: nobody may use nodes of the owner `owner`, and no domain may hold more than `nodes` nodes. It
 * also logs each request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sxenstored-plugin.h"

SXP_DESCRIBE("kind policy\n"
             "name warden\n"
             "summary Guards one owner's nodes.\n"
             "key owner\n"
             "type number 0 32751\n"
             "default 7\n"
             "summary The owner.\n"
             "key nodes\n"
             "type number 1 1000\n"
             "default 3\n"
             "summary The most nodes of a domain.\n"
             "key words\n"
             "type list text\n"
             "default a,b\n"
             "summary Words for the log.\n")

struct warden {
    const struct sxp_host *host;
};

static void *make(const struct sxp_host *host)
{
    struct warden *warden = malloc(sizeof *warden);
    warden->host = host;
    for (size_t index = 0; index < host->count(host, "words"); index++)
        host->log(host, SXP_NOTICE, host->item(host, "words", index));
    return warden;
}

static void destroy(void *self) { free(self); }

static int may_access(
    void *self, const struct sxp_permission *permissions, size_t count, unsigned access, uint16_t domain, int32_t target)
{
    struct warden *warden = self;
    (void)access, (void)domain, (void)target;
    return count > 0 && permissions[0].domain != warden->host->number(warden->host, "owner", -1);
}

static const char *refusal(void *self, const char *resource, int64_t amount, uint16_t domain)
{
    struct warden *warden = self;
    (void)domain;
    if (strcmp(resource, "nodes") != 0 || amount <= warden->host->number(warden->host, "nodes", 0))
        return NULL;
#ifdef BAD_ERROR
    return "EWHATEVER";
#else
    return "ENOSPC";
#endif
}

static void finished(void *self, const struct sxp_request *request)
{
    struct warden *warden = self;
    char text[256];
    snprintf(text, sizeof text, "%s %s %.*s: %s", request->transport, request->operation ? request->operation : "?",
             (int)request->path_length, request->path ? request->path : "", request->error ? request->error : "ok");
    warden->host->log(warden->host, SXP_NOTICE, text);
}

SXP_EXPORT(.make = make, .destroy = destroy, .may_access = may_access, .refusal = refusal, .finished = finished)
