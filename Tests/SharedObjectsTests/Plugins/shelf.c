/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storage for the tests: all records in memory, written as a whole to one file with each commit. FAILS_AT makes the
 * n-th commit fail.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sxenstored-plugin.h"

SXP_DESCRIBE("kind storage\n"
             "name shelf\n"
             "summary Keeps the store in a plain file.\n"
             "key path\n"
             "type path\n"
             "default ${rundir}/shelf\n"
             "summary The file.\n")

/* One record: a node or a note, as it stands in the file. */
struct record {
    struct record *next;
    char *key, *bytes;
    size_t key_length, length;
    int is_subtree;
};

struct shelf {
    const struct sxp_host *host;
    struct record *records, *pending;
    int commits;
};

static void drop(struct record *record)
{
    free(record->key);
    free(record->bytes);
    free(record);
}

static struct record *find(struct record **list, const char *key, size_t length, int takes_out)
{
    for (struct record **at = list; *at != NULL; at = &(*at)->next) {
        struct record *record = *at;
        if (record->key_length != length || memcmp(record->key, key, length) != 0)
            continue;
        if (takes_out)
            *at = record->next;
        return record;
    }
    return NULL;
}

static struct record *new_record(const char *key, size_t key_length)
{
    struct record *record = calloc(1, sizeof *record);
    record->key = calloc(1, key_length + 1);
    memcpy(record->key, key, key_length);
    record->key_length = key_length;
    return record;
}

static void append(struct record *record, const void *bytes, size_t length)
{
    record->bytes = realloc(record->bytes, record->length + length + 1);
    memcpy(record->bytes + record->length, bytes, length);
    record->length += length;
}

static void *make(const struct sxp_host *host)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    shelf->host = host;
    return shelf;
}

static void destroy(void *self)
{
    struct shelf *shelf = self;
    while (shelf->records != NULL) {
        struct record *record = shelf->records;
        shelf->records = record->next;
        drop(record);
    }
    free(shelf);
}

/* A node's record: generation, number of permissions, permissions, length of the value, value, children. */
static int hand_node(const struct sxp_loader *loader, struct record *record)
{
    struct sxp_node node = {.size = sizeof node, .path = record->key, .path_length = record->key_length};
    char *at = record->bytes;
    memcpy(&node.generation, at, 8);
    memcpy(&node.permission_count, at + 8, 8);
    struct sxp_permission permissions[64];
    memcpy(permissions, at + 16, node.permission_count * sizeof *permissions);
    node.permissions = permissions;
    at += 16 + node.permission_count * sizeof *permissions;
    memcpy(&node.value_length, at, 8);
    node.value = at + 8;
    return loader->add_node(loader, &node);
}

/* A node, and all below it. The record ends with the names of the children, each with a NUL. */
static int hand_tree(struct shelf *shelf, const struct sxp_loader *loader, const char *path, size_t length)
{
    struct record *record = find(&shelf->records, path, length, 0);
    if (record == NULL)
        return EIO;
    int code = hand_node(loader, record);
    uint64_t permissions, value;
    memcpy(&permissions, record->bytes + 8, 8);
    size_t at = 16 + permissions * sizeof(struct sxp_permission);
    memcpy(&value, record->bytes + at, 8);
    for (at += 8 + value; code == 0 && at < record->length; at += strlen(record->bytes + at) + 1) {
        char child[4096];
        int size = snprintf(child, sizeof child, "%s/%s", length == 1 ? "" : record->key, record->bytes + at);
        code = hand_tree(shelf, loader, child, (size_t)size);
    }
    return code;
}

static int hand_all(struct shelf *shelf, const struct sxp_loader *loader)
{
    int code = find(&shelf->records, "/", 1, 0) != NULL ? hand_tree(shelf, loader, "/", 1) : 0;
    for (struct record *record = shelf->records; code == 0 && record != NULL; record = record->next) {
        if (record->key[0] == '@')
            code = hand_node(loader, record);
        else if (record->key[0] != '/')
            code = loader->add_note(loader, record->key, record->key_length, record->bytes, record->length);
    }
    return code;
}

static int load(void *self, const struct sxp_loader *loader)
{
    struct shelf *shelf = self;
    FILE *file = fopen(shelf->host->text(shelf->host, "path"), "re");
    if (file == NULL)
        return errno == ENOENT ? 0 : errno;
    size_t sizes[2];
    while (fread(sizes, sizeof sizes, 1, file) == 1) {
        char *key = malloc(sizes[0] + 1), *bytes = malloc(sizes[1] + 1);
        if (fread(key, 1, sizes[0], file) != sizes[0] || fread(bytes, 1, sizes[1], file) != sizes[1]) {
            shelf->host->refuse(shelf->host, "path", 0, "the shelf is torn");
            fclose(file);
            return EIO;
        }
        struct record *record = new_record(key, sizes[0]);
        append(record, bytes, sizes[1]);
        struct record **end = &shelf->records;
        while (*end != NULL)
            end = &(*end)->next;
        *end = record;
        free(key);
        free(bytes);
    }
    fclose(file);
    return hand_all(shelf, loader);
}

static int begin(void *self)
{
    (void)self;
    return 0;
}

static int change(void *self, const struct sxp_change *change)
{
    struct shelf *shelf = self;
    int is_node = change->kind == SXP_STORED;
    const char *key = is_node ? change->node->path : change->key;
    size_t key_length = is_node ? change->node->path_length : change->key_length;
    struct record *record = new_record(key, key_length);
    if (is_node) {
        const struct sxp_node *node = change->node;
        append(record, &node->generation, 8);
        append(record, &node->permission_count, 8);
        append(record, node->permissions, node->permission_count * sizeof *node->permissions);
        append(record, &node->value_length, 8);
        append(record, node->value, node->value_length);
        append(record, node->children, node->children_length);
    } else if (change->kind == SXP_NOTED) {
        append(record, change->value, change->value_length);
    }
    /* A record without bytes removes the key. */
    record->is_subtree = change->kind == SXP_REMOVED_SUBTREE;
    record->next = shelf->pending;
    shelf->pending = record;
    return 0;
}

static void abandon(void *self)
{
    struct shelf *shelf = self;
    while (shelf->pending != NULL) {
        struct record *record = shelf->pending;
        shelf->pending = record->next;
        drop(record);
    }
}

static void remove_subtree(struct shelf *shelf, const struct record *top)
{
    struct record **at = &shelf->records;
    while (*at != NULL) {
        struct record *record = *at;
        if (record->key_length < top->key_length || memcmp(record->key, top->key, top->key_length) != 0
            || (record->key_length > top->key_length && record->key[top->key_length] != '/')) {
            at = &record->next;
            continue;
        }
        *at = record->next;
        drop(record);
    }
}

static int write_all(struct shelf *shelf)
{
    FILE *file = fopen(shelf->host->text(shelf->host, "path"), "we");
    if (file == NULL)
        return errno;
#ifdef FORGETS
    return fclose(file);
#endif
    for (struct record *record = shelf->records; record != NULL; record = record->next) {
        size_t sizes[2] = {record->key_length, record->length};
        fwrite(sizes, sizeof sizes, 1, file);
        fwrite(record->key, 1, record->key_length, file);
        fwrite(record->bytes, 1, record->length, file);
    }
    return fclose(file) == 0 ? 0 : errno;
}

static int commit(void *self)
{
    struct shelf *shelf = self;
    shelf->commits++;
#ifdef FAILS_AT
    if (shelf->commits == FAILS_AT) {
        abandon(self);
        shelf->host->refuse(shelf->host, NULL, 0, "the shelf is full");
        return ENOSPC;
    }
#endif
    for (struct record *record = shelf->pending; record != NULL; record = record->next)
        if (record->is_subtree)
            remove_subtree(shelf, record);
    while (shelf->pending != NULL) {
        struct record *record = shelf->pending;
        shelf->pending = record->next;
        if (record->is_subtree) {
            drop(record);
            continue;
        }
        struct record *old = find(&shelf->records, record->key, record->key_length, 1);
        if (old != NULL)
            drop(old);
        if (record->bytes == NULL) {
            drop(record);
            continue;
        }
        struct record **end = &shelf->records;
        while (*end != NULL)
            end = &(*end)->next;
        record->next = NULL;
        *end = record;
    }
    return write_all(shelf);
}

/* A file of whole records is good, and a torn one is not. To repair it cuts the torn record off. */
static int inspect(const char *path, int repairs, void (*say)(void *context, const char *line), void *context)
{
    const char *dot = strrchr(path, '.');
    if (dot == NULL || strcmp(dot, ".shelf") != 0)
        return -1;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t sizes[2];
    long whole = 0;
    int records = 0, is_torn = 0;
    while (fread(sizes, sizeof sizes, 1, file) == 1) {
        fseek(file, 0, SEEK_END);
        long end = ftell(file), next = whole + (long)(sizeof sizes + sizes[0] + sizes[1]);
        is_torn = next > end;
        if (is_torn)
            break;
        fseek(file, next, SEEK_SET);
        whole = next;
        records++;
    }
    fclose(file);
    char text[64];
    snprintf(text, sizeof text, "%d records%s", records, is_torn ? ", and a torn one" : "");
    say(context, text);
    if (is_torn && repairs)
        return truncate(path, whole) == 0;
    return !is_torn;
}

SXP_EXPORT(.make = make, .destroy = destroy, .load = load, .begin = begin, .change = change, .commit = commit,
           .abandon = abandon, .inspect = inspect)
