/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storage for sxenstored: the store lives in a SQLite database.
 *
 * This file has the table of functions, and stores batches. `open.c` opens the database, and `load.c` hands it over.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

SXP_DESCRIBE(
    "kind storage\n"
    "name sqlite\n"
    "summary The store lives in a SQLite database, which other programs can read meanwhile.\n"
    "key path\n"
    "type path\n"
    "default ${rundir}/store.sqlite\n"
    "summary The database. PATH-wal, PATH-shm and PATH.lock are beside it.\n"
    "key sync\n"
    "type choice commit none\n"
    "default commit\n"
    "summary What an acknowledged change survives: `none`, a kill of the daemon; `commit`, also a power cut.\n"
    "key outlives-boot\n"
    "type flag\n"
    "default false\n"
    "summary Whether to load a store of an earlier boot. For machines without Xen.\n")

static void *make(const struct sxp_host *host)
{
    struct store *store = calloc(1, sizeof *store);
    if (store != NULL) {
        store->host = host;
        store->lock = -1;
        store->path = strdup(host->text(host, "path"));
        if (store->path != NULL)
            return store;
    }
    free(store);
    host->refuse(host, NULL, ENOMEM, "make the plugin");
    return NULL;
}

static void finish(void *self) { close_store(self); }

static void destroy(void *self)
{
    struct store *store = self;
    close_store(store);
    free(store->path);
    free(store);
}

static int load(void *self, const struct sxp_loader *loader)
{
    /* A file that may not grow is an error like a full disk, and not the end of the daemon. */
    signal(SIGXFSZ, SIG_IGN);
    int code = open_store(self);
    return code != 0 ? code : load_store(self, loader);
}

static int begin(void *self)
{
    struct store *store = self;
    /* Takes the right to write at once: if another program has it, the batch fails here, and the daemon does not wait. */
    return run(store, "BEGIN IMMEDIATE") == SQLITE_OK ? 0 : refuse(store, "begin a batch");
}

/* Carries out a statement whose values are bound. */
static int perform(struct store *store, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement) == SQLITE_DONE ? 0 : refuse(store, "store a change");
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code;
}

static void bind_text(sqlite3_stmt *statement, int index, const char *text, size_t length)
{
    sqlite3_bind_text64(statement, index, text, length, SQLITE_STATIC, SQLITE_UTF8);
}

/* An empty value has no address, and must not become NULL. */
static void bind_bytes(sqlite3_stmt *statement, int index, const void *bytes, size_t length)
{
    sqlite3_bind_blob64(statement, index, length > 0 ? bytes : "", length, SQLITE_STATIC);
}

static int put_node(struct store *store, const struct sxp_node *node)
{
    sqlite3_stmt *statement = store->put_node;
    /* Names with a slash between them. No name has one. */
    size_t length = node->children_length > 0 ? node->children_length - 1 : 0;
    char *children = malloc(length + 1), *permissions = permissions_text(node->permissions, node->permission_count);
    int code = ENOMEM;
    if (children != NULL && permissions != NULL) {
        for (size_t index = 0; index < length; index++)
            children[index] = node->children[index] != 0 ? node->children[index] : '/';
        bind_text(statement, 1, node->path, node->path_length);
        bind_bytes(statement, 2, node->value, node->value_length);
        bind_text(statement, 3, permissions, strlen(permissions));
        sqlite3_bind_int64(statement, 4, (sqlite3_int64)node->generation);
        bind_text(statement, 5, children, length);
        code = perform(store, statement);
    }
    free(children);
    free(permissions);
    return code;
}

static int remove_subtree(struct store *store, const struct sxp_change *change)
{
    bind_text(store->remove_node, 1, change->key, change->key_length);
    int code = perform(store, store->remove_node);
    if (code != 0)
        return code;
    bind_text(store->remove_below, 1, change->key, change->key_length);
    return perform(store, store->remove_below);
}

static int change(void *self, const struct sxp_change *change)
{
    struct store *store = self;
    sqlite3_stmt *statement = NULL;
    switch (change->kind) {
    case SXP_STORED:
        return put_node(store, change->node);
    case SXP_REMOVED_SUBTREE:
        return remove_subtree(store, change);
    case SXP_REMOVED:
        statement = store->remove_node;
        break;
    case SXP_NOTED:
        statement = store->put_note;
        bind_bytes(statement, 2, change->value, change->value_length);
        break;
    case SXP_FORGOTTEN:
        statement = store->remove_note;
        break;
    }
    bind_text(statement, 1, change->key, change->key_length);
    return perform(store, statement);
}

static void abandon(void *self)
{
    struct store *store = self;
    /* SQLite has already done so after some errors. */
    if (!sqlite3_get_autocommit(store->database))
        run(store, "ROLLBACK");
}

static int commit(void *self)
{
    struct store *store = self;
    if (run(store, "COMMIT") == SQLITE_OK)
        return 0;
    int code = refuse(store, "commit a batch");
    abandon(store);
    return code;
}

SXP_EXPORT(.make = make, .destroy = destroy, .load = load, .begin = begin, .change = change, .commit = commit,
           .abandon = abandon, .finish = finish)
