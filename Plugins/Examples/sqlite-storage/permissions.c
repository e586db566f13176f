/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of permissions as text, for people who look at the store with SQL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

/* By the bits of an access: none, read, write, both. */
static const char letters[] = "nrwb";

char *permissions_text(const struct sxp_permission *permissions, size_t count)
{
    /* A letter, five digits, `~` and a comma; snprintf adds a 0. */
    char *text = malloc(count * 8 + 1), *at = text;
    if (text == NULL)
        return NULL;
    *at = 0;
    for (size_t index = 0; index < count; index++) {
        const struct sxp_permission *entry = &permissions[index];
        at += snprintf(at, 9, "%s%c%u%s", index > 0 ? "," : "", letters[entry->access & 3], entry->domain,
                       entry->stale ? "~" : "");
    }
    return text;
}

/* Reads one entry. Returns the text after it, or NULL. */
static const char *read_entry(const char *text, struct sxp_permission *entry)
{
    const char *letter = *text != 0 ? strchr(letters, *text) : NULL;
    if (letter == NULL || text[1] < '0' || text[1] > '9')
        return NULL;
    char *end;
    unsigned long domain = strtoul(text + 1, &end, 10);
    if (domain > UINT16_MAX)
        return NULL;
    *entry = (struct sxp_permission){.domain = (uint16_t)domain, .access = (uint8_t)(letter - letters)};
    entry->stale = *end == '~';
    return end + entry->stale;
}

struct sxp_permission *read_permissions(const char *text, size_t *count)
{
    struct sxp_permission *list = calloc(strlen(text) / 2 + 1, sizeof *list);
    for (*count = 0; list != NULL;) {
        text = read_entry(text, &list[*count]);
        if (text == NULL)
            break;
        ++*count;
        if (*text == 0)
            return list;
        if (*text++ != ',')
            break;
    }
    free(list);
    return NULL;
}
