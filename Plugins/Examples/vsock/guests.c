/* SPDX-License-Identifier: Apache-2.0 */
/* Which guest is which domain. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vsock.h"

#define DOMAIN_MAX 32751

/* Reads digits up to `end`. Returns 0 if there is anything else, or if the number is larger than `most`. */
static int read_number(const char *text, char end, unsigned long long most, unsigned long long *number)
{
    *number = 0;
    if (*text == end)
        return 0;
    for (; *text != end; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        *number = *number * 10 + (unsigned)(*text - '0');
        if (*number > most)
            return 0;
    }
    return 1;
}

static const char *problem(const char *text, const struct guests *others, struct guest *guest)
{
    unsigned long long cid, domain;
    const char *equals = text;
    while (*equals != 0 && *equals != '=')
        equals++;
    if (*equals == 0 || !read_number(text, '=', VMADDR_CID_ANY - 1, &cid)
        || !read_number(equals + 1, 0, DOMAIN_MAX, &domain))
        return "must be CID=DOMAIN";
    if (cid <= VMADDR_CID_LOCAL)
        return "has a CID that no guest can have";
    if (domain == 0)
        return "names domain 0, whose rights no guest may have";
    if (find_guest(others, (unsigned)cid) != NULL)
        return "names a CID for the second time";
    *guest = (struct guest){.cid = (unsigned)cid, .domain = (uint16_t)domain};
    return NULL;
}

int read_guests(const struct sxp_host *host, struct guests *guests)
{
    size_t count = host->count(host, "guests");
    *guests = (struct guests){.list = calloc(count + 1, sizeof *guests->list)};
    if (guests->list == NULL)
        return ENOMEM;
    for (; guests->count < count; guests->count++) {
        const char *text = host->item(host, "guests", guests->count);
        const char *wrong = problem(text, guests, &guests->list[guests->count]);
        if (wrong == NULL)
            continue;
        char message[TEXT_SIZE];
        snprintf(message, sizeof message, "'%.60s' %s", text, wrong);
        host->refuse(host, "guests", 0, message);
        free_guests(guests);
        return EINVAL;
    }
    return 0;
}

void free_guests(struct guests *guests)
{
    free(guests->list);
    *guests = (struct guests){0};
}

const struct guest *find_guest(const struct guests *guests, unsigned cid)
{
    for (size_t index = 0; index < guests->count; index++)
        if (guests->list[index].cid == cid)
            return &guests->list[index];
    return NULL;
}
