/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds the size of a guest's node. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sxenstored-plugin.h>

SXP_DESCRIBE("kind policy\n"
             "name plugin-name\n"
             "summary Bounds the size of a guest's node.\n"
             "key bytes\n"
             "type number 64 4096\n"
             "default 512\n"
             "summary The most bytes that one node may have.\n")

struct policy {
    const struct sxp_host *host;
    int64_t bytes_max;
};

static void *make(const struct sxp_host *host)
{
    struct policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL) {
        host->refuse(host, NULL, ENOMEM, "make the policy");
        return NULL;
    }
    policy->host = host;
    policy->bytes_max = host->number(host, "bytes", 512);
    return policy;
}

static void destroy(void *self) { free(self); }

static int reload(void *self)
{
    struct policy *policy = self;
    policy->bytes_max = policy->host->number(policy->host, "bytes", 512);
    return 0;
}

static const char *refusal(void *self, const char *resource, int64_t amount, uint16_t domain)
{
    struct policy *policy = self;
    (void)domain;
    return strcmp(resource, "node-size") == 0 && amount > policy->bytes_max ? "ENOSPC" : NULL;
}

SXP_EXPORT(.make = make, .destroy = destroy, .reload = reload, .refusal = refusal)
