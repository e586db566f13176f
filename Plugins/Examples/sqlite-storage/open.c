/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the store: the lock, the checks of the file, and a new one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

/* `XenS`, in the head of the file. SQLite keeps it for programs. */
#define APPLICATION "1482059347"
#define LAYOUT 1

static const char schema[] =
    "CREATE TABLE node (path TEXT PRIMARY KEY, value BLOB NOT NULL, permissions TEXT NOT NULL,"
    " generation INTEGER NOT NULL, children TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE note (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE boot (id TEXT NOT NULL);"
    "PRAGMA application_id = " APPLICATION ";"
    "PRAGMA user_version = 1;";

int run(struct store *store, const char *statement) { return sqlite3_exec(store->database, statement, NULL, NULL, NULL); }

int refuse(struct store *store, const char *doing)
{
    char text[1024];
    int code = sqlite3_errcode(store->database) & 0xff, system = sqlite3_system_errno(store->database);
    snprintf(text, sizeof text, "cannot %s: %s: %s", doing, store->path, sqlite3_errmsg(store->database));
    store->host->refuse(store->host, NULL, 0, text);
    if (code == SQLITE_FULL)
        return ENOSPC;
    return code == SQLITE_BUSY || code == SQLITE_LOCKED ? EBUSY : system != 0 ? system : EIO;
}

int refuse_damage(struct store *store, const char *problem)
{
    char text[1024];
    snprintf(text, sizeof text, "%s is damaged: %s; nothing of it is loaded or changed", store->path, problem);
    store->host->refuse(store->host, NULL, 0, text);
    return EIO;
}

static int refuse_system(struct store *store, const char *doing, const char *suffix)
{
    char text[1024];
    int code = errno;
    snprintf(text, sizeof text, "%s %s%s", doing, store->path, suffix);
    store->host->refuse(store->host, NULL, code, text);
    return code;
}

/* A path beside the store's. The caller frees it. */
static char *beside(const struct store *store, const char *suffix)
{
    char *path = NULL;
    return asprintf(&path, "%s%s", store->path, suffix) < 0 ? NULL : path;
}

/* Only one daemon may use the store. SQLite's own locks let several programs write in turn. */
static int take_lock(struct store *store)
{
    char *path = beside(store, ".lock");
    if (path == NULL)
        return ENOMEM;
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    free(path);
    if (store->lock < 0)
        return refuse_system(store, "open", ".lock");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(store->lock, F_SETLK, &lock) != 0)
        return refuse_system(store, "another daemon uses", "");
    return 0;
}

static int connect_to(struct store *store, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    if (sqlite3_open_v2(path, &store->database, flags, NULL) != SQLITE_OK)
        return refuse(store, "open the store");
    sqlite3_extended_result_codes(store->database, 1);
    return 0;
}

static void disconnect(struct store *store)
{
    sqlite3_close(store->database);
    store->database = NULL;
}

/* This boot of the host. Domains end with it. */
static void read_boot(char *boot, size_t room)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL || fgets(boot, (int)room, file) == NULL)
        snprintf(boot, room, "unknown");
    boot[strcspn(boot, "\n")] = 0;
    if (file != NULL)
        fclose(file);
}

/* The first column of the first row, as text; empty if there is none. */
static int ask(struct store *store, const char *question, char *answer, size_t room)
{
    sqlite3_stmt *statement;
    answer[0] = 0;
    if (sqlite3_prepare_v2(store->database, question, -1, &statement, NULL) != SQLITE_OK)
        return refuse(store, "read the store");
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        snprintf(answer, room, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : refuse(store, "read the store");
}

/* Makes an empty store under another name first, so that a store is either whole or not there. */
static int make_new(struct store *store)
{
    char *path = beside(store, ".new");
    if (path == NULL)
        return ENOMEM;
    unlink(path);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int code = file < 0 ? refuse_system(store, "make", ".new") : connect_to(store, path);
    if (file >= 0)
        close(file);
    char boot[64];
    read_boot(boot, sizeof boot);
    char *insert = sqlite3_mprintf("INSERT INTO boot VALUES (%Q)", boot);
    if (code == 0 && (run(store, "BEGIN") != SQLITE_OK || run(store, schema) != SQLITE_OK
                      || run(store, insert) != SQLITE_OK || run(store, "COMMIT") != SQLITE_OK))
        code = refuse(store, "make the store");
    sqlite3_free(insert);
    disconnect(store);
    if (code == 0 && rename(path, store->path) != 0)
        code = refuse_system(store, "make", "");
    if (code != 0)
        unlink(path);
    free(path);
    return code;
}

static int refuse_kind(struct store *store, const char *problem)
{
    char text[1024];
    snprintf(text, sizeof text, "%s is %s", store->path, problem);
    store->host->refuse(store->host, NULL, 0, text);
    return EINVAL;
}

/* Whether the file is a whole store of this plugin. */
static int check(struct store *store)
{
    char answer[512];
    int code = ask(store, "PRAGMA application_id", answer, sizeof answer);
    if (code != 0)
        return code;
    if (strcmp(answer, APPLICATION) != 0)
        return refuse_kind(store, "a database of another program");
    if ((code = ask(store, "PRAGMA user_version", answer, sizeof answer)) != 0)
        return code;
    if (atoi(answer) != LAYOUT)
        return refuse_kind(store, "a store of another version of this plugin");
    if ((code = ask(store, "PRAGMA quick_check(1)", answer, sizeof answer)) != 0)
        return code;
    return strcmp(answer, "ok") == 0 ? 0 : refuse_damage(store, answer);
}

/* A store of another boot describes domains that do not exist any more. It gets another name. */
static int set_aside(struct store *store)
{
    char boot[64], stored[64];
    int code = ask(store, "SELECT id FROM boot", stored, sizeof stored);
    read_boot(boot, sizeof boot);
    if (code != 0 || strcmp(boot, stored) == 0 || store->host->flag(store->host, "outlives-boot"))
        return code;
    /* The last connection to a database writes its log into it. */
    disconnect(store);
    char *old = beside(store, ".old");
    if (old == NULL)
        return ENOMEM;
    code = rename(store->path, old) == 0 ? 0 : refuse_system(store, "rename", "");
    free(old);
    if (code != 0)
        return code;
    store->host->log(store->host, SXP_NOTICE, "the store is one of an earlier boot, and is now PATH.old");
    return (code = make_new(store)) != 0 ? code : connect_to(store, store->path);
}

static int prepare(struct store *store, const char *text, sqlite3_stmt **statement)
{
    if (sqlite3_prepare_v3(store->database, text, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK)
        return 0;
    return refuse(store, "prepare a change");
}

/* The settings of a connection, and what it does over and over. */
static int set_up(struct store *store)
{
    const struct sxp_host *host = store->host;
    int syncs = strcmp(host->text(host, "sync"), "commit") == 0;
    if (run(store, "PRAGMA journal_mode = WAL") != SQLITE_OK
        || run(store, syncs ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF") != SQLITE_OK)
        return refuse(store, "set the store up");
    int code = prepare(store, "INSERT OR REPLACE INTO node VALUES (?1, ?2, ?3, ?4, ?5)", &store->put_node);
    if (code == 0)
        code = prepare(store, "DELETE FROM node WHERE path = ?1", &store->remove_node);
    /* A range of the key: `0` comes after `/`. */
    if (code == 0)
        code = prepare(store, "DELETE FROM node WHERE path > ?1 || '/' AND path < ?1 || '0'", &store->remove_below);
    if (code == 0)
        code = prepare(store, "INSERT OR REPLACE INTO note VALUES (?1, ?2)", &store->put_note);
    if (code == 0)
        code = prepare(store, "DELETE FROM note WHERE key = ?1", &store->remove_note);
    return code;
}

int open_store(struct store *store)
{
    int code = take_lock(store);
    if (code == 0 && access(store->path, F_OK) != 0 && errno == ENOENT)
        code = make_new(store);
    if (code == 0)
        code = connect_to(store, store->path);
    if (code == 0)
        code = check(store);
    if (code == 0)
        code = set_aside(store);
    return code != 0 ? code : set_up(store);
}

void close_store(struct store *store)
{
    sqlite3_finalize(store->put_node);
    sqlite3_finalize(store->remove_node);
    sqlite3_finalize(store->remove_below);
    sqlite3_finalize(store->put_note);
    sqlite3_finalize(store->remove_note);
    store->put_node = store->remove_node = store->remove_below = store->put_note = store->remove_note = NULL;
    disconnect(store);
    if (store->lock >= 0)
        close(store->lock);
    store->lock = -1;
}
