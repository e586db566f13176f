/* SPDX-License-Identifier: Apache-2.0 */
/* Handing the store to the daemon: the tree from its root, children in the order in which their parent lists them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

/* The paths of nodes that were listed and not handed over yet. The next one is the last. */
struct stack {
    char **paths;
    size_t count, room;
};

static int push(struct stack *stack, char *path)
{
    if (path == NULL)
        return ENOMEM;
    if (stack->count == stack->room) {
        size_t room = stack->room * 2 + 64;
        char **paths = realloc(stack->paths, room * sizeof *paths);
        if (paths == NULL) {
            free(path);
            return ENOMEM;
        }
        stack->paths = paths;
        stack->room = room;
    }
    stack->paths[stack->count++] = path;
    return 0;
}

static void empty(struct stack *stack)
{
    while (stack->count > 0)
        free(stack->paths[--stack->count]);
    free(stack->paths);
}

/* Text of a row. SQLite returns NULL if it has no memory for it. */
static const char *text_of(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL ? text : "";
}

/* Pushes the children, the first one last. */
static int push_children(struct stack *stack, const char *parent, const char *names)
{
    const char *prefix = strcmp(parent, "/") == 0 ? "" : parent;
    size_t before = strlen(prefix);
    for (const char *end = names + strlen(names); end > names;) {
        const char *name = end;
        while (name > names && name[-1] != '/')
            name--;
        size_t length = (size_t)(end - name);
        char *path = malloc(before + 1 + length + 1);
        if (path != NULL) {
            memcpy(path, prefix, before);
            path[before] = '/';
            memcpy(path + before + 1, name, length);
            path[before + 1 + length] = 0;
        }
        if (push(stack, path) != 0)
            return ENOMEM;
        end = name > names ? name - 1 : name;
    }
    return 0;
}

/* Hands over the node in a row of value, permissions, generation, children. */
static int hand_node(struct store *store, const struct sxp_loader *loader, sqlite3_stmt *row, const char *path)
{
    struct sxp_node node = {.size = sizeof node, .path = path, .path_length = strlen(path)};
    node.value = sqlite3_column_blob(row, 0);
    node.value_length = (size_t)sqlite3_column_bytes(row, 0);
    node.generation = (uint64_t)sqlite3_column_int64(row, 2);
    struct sxp_permission *permissions =
        read_permissions(text_of(row, 1), &node.permission_count);
    if (permissions == NULL) {
        char text[256];
        snprintf(text, sizeof text, "%.150s has permissions that are none", path);
        return refuse_damage(store, text);
    }
    node.permissions = permissions;
    int code = loader->add_node(loader, &node);
    free(permissions);
    return code;
}

static int count_nodes(struct store *store, sqlite3_int64 *count)
{
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(store->database, "SELECT count(*) FROM node", -1, &row, NULL) != SQLITE_OK)
        return refuse(store, "count the nodes");
    int step = sqlite3_step(row);
    *count = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return step == SQLITE_ROW ? 0 : refuse(store, "count the nodes");
}

/* Hands over the node at this path, and pushes its children. */
static int hand_path(
    struct store *store, const struct sxp_loader *loader, sqlite3_stmt *find, struct stack *stack, const char *path)
{
    char text[256];
    sqlite3_bind_text(find, 1, path, -1, SQLITE_STATIC);
    int step = sqlite3_step(find);
    if (step == SQLITE_ROW) {
        int code = hand_node(store, loader, find, path);
        return code != 0 ? code : push_children(stack, path, text_of(find, 3));
    }
    if (step != SQLITE_DONE)
        return refuse(store, "load a node");
    snprintf(text, sizeof text, "a node lists %.150s, which is not there", path);
    return refuse_damage(store, text);
}

/* Hands over the nodes on the stack, and all nodes below them. Each node must be listed once. */
static int hand_trees(struct store *store, const struct sxp_loader *loader, sqlite3_stmt *find, struct stack *stack)
{
    sqlite3_int64 total = -1, handed = 0;
    int code = count_nodes(store, &total);
    while (code == 0 && stack->count > 0 && handed <= total) {
        char *path = stack->paths[--stack->count];
        code = hand_path(store, loader, find, stack, path);
        sqlite3_reset(find);
        free(path);
        handed++;
    }
    if (code != 0 || handed == total)
        return code;
    return refuse_damage(store, "not each node is listed by its parent, and only once");
}

static int hand_notes(struct store *store, const struct sxp_loader *loader)
{
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(store->database, "SELECT key, value FROM note", -1, &row, NULL) != SQLITE_OK)
        return refuse(store, "load notes");
    int step = SQLITE_ROW, code = 0;
    while (code == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
        code = loader->add_note(loader, text_of(row, 0), (size_t)sqlite3_column_bytes(row, 0), sqlite3_column_blob(row, 1),
                                (size_t)sqlite3_column_bytes(row, 1));
    sqlite3_finalize(row);
    return code != 0 || step == SQLITE_DONE ? code : refuse(store, "load notes");
}

/* The root and the special nodes, which begin with `@`: nobody lists them. */
static int push_tops(struct store *store, struct stack *stack)
{
    static const char question[] = "SELECT path FROM node WHERE path = '/' OR path GLOB '@*'";
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(store->database, question, -1, &row, NULL) != SQLITE_OK)
        return refuse(store, "load the store");
    int step = SQLITE_ROW, code = 0;
    while (code == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
        code = push(stack, strdup(text_of(row, 0)));
    sqlite3_finalize(row);
    return code != 0 || step == SQLITE_DONE ? code : refuse(store, "load the store");
}

int load_store(struct store *store, const struct sxp_loader *loader)
{
    static const char question[] = "SELECT value, permissions, generation, children FROM node WHERE path = ?1";
    sqlite3_stmt *find = NULL;
    struct stack stack = {0};
    int code = push_tops(store, &stack);
    if (code == 0 && sqlite3_prepare_v2(store->database, question, -1, &find, NULL) != SQLITE_OK)
        code = refuse(store, "load the store");
    if (code == 0)
        code = hand_trees(store, loader, find, &stack);
    sqlite3_finalize(find);
    empty(&stack);
    return code != 0 ? code : hand_notes(store, loader);
}
