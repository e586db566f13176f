/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the plugin, for each other. */
#ifndef STORE_H
#define STORE_H

#include <sqlite3.h>
#include <sxenstored-plugin.h>

struct store {
    const struct sxp_host *host;
    char *path;
    int lock; /* an open file, locked while this daemon uses the store; -1 */
    sqlite3 *database;
    sqlite3_stmt *put_node, *remove_node, *remove_below, *put_note, *remove_note;
};

/* Opens the store, or makes a new one. Returns 0, or an errno after a call of `refuse`. */
int open_store(struct store *store);
/* Closes what is open. */
void close_store(struct store *store);
/* Hands all nodes and notes to the daemon. Returns 0, or an errno after a call of `refuse`. */
int load_store(struct store *store, const struct sxp_loader *loader);

/* Tells the daemon what SQLite cannot do, and returns the errno. */
int refuse(struct store *store, const char *doing);
/* The store cannot be what this plugin has written. */
int refuse_damage(struct store *store, const char *problem);
/* A single statement without a result. Returns SQLite's code. */
int run(struct store *store, const char *statement);

/* Permissions as text, such as `n0,r5`: the letters of the protocol; a stale entry ends with `~`. */
char *permissions_text(const struct sxp_permission *permissions, size_t count);
/* The reverse. Returns NULL if it is no such text. The caller frees the list. */
struct sxp_permission *read_permissions(const char *text, size_t *count);

#endif
