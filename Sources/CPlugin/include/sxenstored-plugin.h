/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin for sxenstored as a shared object, in C or in any language that can make one.
 *
 * The configuration names the file:
 *
 *     plugins: [/usr/lib/sxenstored/plugins/vsock.so]
 *     transports:
 *       - unix-socket
 *       - vsock:
 *           port: 7000
 *
 * A plugin consists of two things:
 *
 *   1. A description, made by SXP_DESCRIBE: its kind, its name and its keys. It is an ELF note, so the daemon checks a
 *      configuration and lists plugins without running any code of the plugin.
 *   2. A table of functions, exported as `sxp_plugin` by SXP_EXPORT. The daemon loads it when it starts to run.
 *
 * The daemon in its turn gives the plugin a table of functions, `struct sxp_host`.
 *
 * Rules
 *   - One thread: the daemon calls the plugin on its own thread, and the plugin calls the daemon on that thread only.
 *     `log` alone may be called from any thread. The daemon refuses other calls, and says so in its log.
 *   - Nothing waits: a function returns within some microseconds. What takes longer waits for a descriptor or a timer.
 *   - Who makes memory frees it. What a function gets is valid until it returns, if nothing else is said.
 *   - Text is UTF-8 and ends with a NUL. Bytes of clients may be anything, and have a length.
 *   - The file is opened once, without following links, and only root, or the user that the daemon runs as, may be able
 *     to write it and the folders above it. It must not have a RUNPATH.
 *   - Descriptors are opened with O_CLOEXEC, and closed by `stop` and `destroy`.
 *
 * The ABI. Both tables begin with `abi` and `size`. As long as `abi` is 0, anything may change with each version of the
 * daemon, and both sides refuse another number. From 1 on, tables only grow at their end: look at `size` before you use
 * a function that this header marks as younger than your `abi`.
 */
#ifndef SXENSTORED_PLUGIN_H
#define SXENSTORED_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the two tables and of the description. */
#define SXP_ABI 0

/* ---- What the daemon offers ------------------------------------------------------------------------------------- */

/* A connection. The number is never used again: the daemon refuses it after the end of the connection. 0 is none. */
typedef uint64_t sxp_connection;

/* Levels of the log. */
enum sxp_level { SXP_DEBUG, SXP_INFO, SXP_NOTICE, SXP_WARNING, SXP_ERROR };

/* Why a descriptor is ready, and what to wait for. A hang-up is always told. */
enum sxp_readiness { SXP_READABLE = 1, SXP_WRITABLE = 2, SXP_HUNG_UP = 4 };

/* The other end of a connection. */
struct sxp_peer {
    uint32_t size;       /* sizeof(struct sxp_peer) */
    uint16_t domain;     /* decides the home for relative paths, the rights and the quotas */
    uint8_t privileged;  /* may do what the toolstack does, owns every node, has no quotas */
    uint8_t read_only;   /* gets EROFS for a request that would change something */
    uint32_t watches;    /* the limits of a privileged peer that is trusted less than dom0's tools; 0: unlimited */
    uint32_t transactions;
    uint64_t memory;     /* bytes */
};

/* One number that a part of the daemon counts. */
struct sxp_measurement {
    const char *part;    /* `daemon`, or a plugin's name in the configuration */
    const char *name;    /* lower case with dashes: `bytes-received` */
    const char *unit;    /* `one`, `bytes` or `nanoseconds` */
    const char *summary; /* one sentence for the operator */
    uint64_t value;
    uint8_t is_total;    /* 1: it began at 0 with the daemon, and only grows. 0: it is how much there is now */
};

/*
 * The daemon, for one plugin. Its functions take the table itself as their first argument. The table is valid until
 * `destroy` has returned.
 */
struct sxp_host {
    uint32_t abi;
    uint32_t size;
    void *daemon; /* the daemon's own */

    /* Writes one line to the log, under the name of the plugin. From any thread. */
    void (*log)(const struct sxp_host *host, enum sxp_level level, const char *text);

    /* The plugin's name in the configuration, such as `vsock@guests`. */
    const char *(*name)(const struct sxp_host *host);

    /* The checked values of the keys. Each has its default if the file has none. They change only while `reload` runs.
     * `text` also gives paths and choices; NULL if there is no value. `number` also gives sizes in bytes, modes, and
     * durations in nanoseconds; it returns `otherwise` if there is no value. `flag` gives 0 or 1. `count` is the number
     * of items of a list, and `item` is one of them as text, durations in nanoseconds. `secret` gives the bytes of a secret
     * file, and their number. */
    const char *(*text)(const struct sxp_host *host, const char *key);
    int64_t (*number)(const struct sxp_host *host, const char *key, int64_t otherwise);
    int (*flag)(const struct sxp_host *host, const char *key);
    size_t (*count)(const struct sxp_host *host, const char *key);
    const char *(*item)(const struct sxp_host *host, const char *key, size_t index);
    const void *(*secret)(const struct sxp_host *host, const char *key, size_t *length);

    /* Says why a function of the plugin is about to return an error. `key` is the key of the configuration whose value
     * is the reason, so that the message has the file and the line; NULL for any other reason. `code` is an errno, or
     * 0. */
    void (*refuse)(const struct sxp_host *host, const char *key, int code, const char *text);

    /* Calls `ready` of the plugin with `context` whenever the descriptor is ready for any of `readiness`, until it is
     * forgotten. The descriptor stays the plugin's. Returns 0, or an errno. `rewatch` changes `readiness`; with 0 only a
     * hang-up is told. Forget a descriptor before you close it. */
    int (*watch)(const struct sxp_host *host, int descriptor, unsigned readiness, void *context);
    void (*rewatch)(const struct sxp_host *host, int descriptor, unsigned readiness);
    void (*forget)(const struct sxp_host *host, int descriptor);

    /* The monotonic clock, in nanoseconds, and one call of `wake` of the plugin with `context` soon after `moment`. A
     * context waits for one moment: a new one replaces it, and 0 cancels it. */
    uint64_t (*now)(const struct sxp_host *host);
    void (*wake_at)(const struct sxp_host *host, uint64_t moment, void *context);

    /* Connects a client. `link` is the plugin's own, for its functions on connections; the plugin keeps it until it has
     * disconnected, or until its `close` was called. Returns 0 if the peer makes no sense. */
    sxp_connection (*connect)(const struct sxp_host *host, void *link, const struct sxp_peer *peer);
    /* The peer is gone. The connection's number is invalid from here on, and `close` is not called. */
    void (*disconnect)(const struct sxp_host *host, sxp_connection connection);
    /* The peer has sent these bytes. The daemon handles or copies them. It may end the connection meanwhile: then
     * `close` was called. Returns 1 if the connection goes on. */
    int (*receive)(const struct sxp_host *host, sxp_connection connection, const void *bytes, size_t length);
    /* The peer sends nothing more, but may still read. The connection ends after its last reply. */
    void (*received_end)(const struct sxp_host *host, sxp_connection connection);
    /* The bytes that may be sent now. They are valid until the next call of the daemon. */
    const void *(*unsent)(const struct sxp_host *host, sxp_connection connection, size_t *length);
    /* This number of these bytes was sent. */
    void (*sent)(const struct sxp_host *host, sxp_connection connection, size_t length);
    /* The peer has room again: the daemon calls `flush` at the end of the turn. */
    void (*resume_sending)(const struct sxp_host *host, sxp_connection connection);
    /* Whether the plugin may read from the peer. If not, `reading_changed` tells when it may. */
    int (*is_reading)(const struct sxp_host *host, sxp_connection connection);
    /* The number of the connection in the log. */
    uint64_t (*log_number)(const struct sxp_host *host, sxp_connection connection);

    /* Calls `each` with every number that the daemon and its plugins count. */
    void (*measurements)(
        const struct sxp_host *host, void (*each)(void *context, const struct sxp_measurement *measurement),
        void *context);
};

/* ---- What a storage and a policy get ---------------------------------------------------------------------------- */

/* Bits of an access. */
enum sxp_access { SXP_READ = 1, SXP_WRITE = 2, SXP_OWNER = 4 };

/* One entry of a list of permissions. Entry 0 names the owner, and has the access of all domains without an entry. */
struct sxp_permission {
    uint16_t domain;
    uint8_t access; /* SXP_READ | SXP_WRITE */
    uint8_t stale;  /* the domain did not exist; a later one with its number must not inherit the entry */
};

/* A node. */
struct sxp_node {
    uint32_t size; /* sizeof(struct sxp_node) */
    const char *path; /* absolute; special nodes begin with `@`. No NUL at its end */
    size_t path_length;
    const void *value;
    size_t value_length;
    const struct sxp_permission *permissions;
    size_t permission_count;
    uint64_t generation;
    /* The names of the children in the order of their creation, each with a NUL after it. Not used by `add_node`. */
    const char *children;
    size_t children_length;
};

/* What changed in a turn. Removed subtrees come before all nodes of the batch, and before what is stored again below
 * them. */
enum sxp_change_kind {
    SXP_STORED,   /* `node` is new or has changed */
    SXP_REMOVED,  /* the node at `key` is gone */
    SXP_NOTED,    /* the daemon's note `key` has this value; the next daemon gets it back */
    SXP_FORGOTTEN, /* the note `key` is not needed any more */
    SXP_REMOVED_SUBTREE /* the node at `key` is gone, and all nodes whose paths begin with `key` and a slash */
};
struct sxp_change {
    enum sxp_change_kind kind;
    const struct sxp_node *node;
    const char *key;
    size_t key_length;
    const void *value;
    size_t value_length;
};

/* Takes the content of a storage at the start of the daemon. Both return 0, or an errno; then `refuse` was called, and
 * `load` returns an error as well. */
struct sxp_loader {
    void *daemon;
    /* Parents come before their children, and children in the order of their creation. */
    int (*add_node)(const struct sxp_loader *loader, const struct sxp_node *node);
    int (*add_note)(
        const struct sxp_loader *loader, const char *key, size_t key_length, const void *value, size_t value_length);
};

/* A request that has got its answer. */
struct sxp_request {
    uint32_t size; /* sizeof(struct sxp_request) */
    uint16_t domain;
    uint8_t privileged;
    uint32_t type;         /* the number of the operation in the protocol */
    uint32_t transaction;  /* 0, or the transaction */
    uint64_t connection;   /* as in the log */
    const char *transport; /* the transport of the client */
    const char *operation; /* the name of the operation; NULL if the protocol has none with this number */
    const char *path;      /* as the client has written it; any bytes */
    size_t path_length;
    const char *error; /* NULL if it was done */
    uint64_t moment;   /* of the turn, in nanoseconds of the monotonic clock */
};

/* ---- What a plugin offers --------------------------------------------------------------------------------------- */

/* Why the daemon ends a connection. */
enum sxp_end { SXP_ANSWERED, SXP_OVERSIZED_MESSAGE, SXP_PEER_NOT_READING };

/*
 * The plugin. `self` is what `make` has returned. Functions that are marked with a kind are needed by a plugin of that
 * kind; the others may be NULL. Those that return `int` return 0, or an errno after a call of `refuse`.
 */
struct sxp_plugin {
    uint32_t abi;
    uint32_t size;

    /* Makes the plugin from its values. Called once for each block of the configuration, when the daemon is about to
     * run. It must not open or change anything yet, nor start a thread. Returns NULL after a call of `refuse`. */
    void *(*make)(const struct sxp_host *host);
    /* Frees the plugin. The last call. */
    void (*destroy)(void *self);
    /* The values have changed (SIGHUP). If it returns an error, it has changed nothing. Without this function a change
     * needs a restart. */
    int (*reload)(void *self);
    /* Fills in what the plugin counts, always under the same names in the same order, and returns how many there are.
     * `part` is not used. */
    size_t (*measure)(void *self, struct sxp_measurement *measurements, size_t room);
    /* A request is finished, and its answer is about to be sent. A plugin of any kind may have this. */
    void (*finished)(void *self, const struct sxp_request *request);

    /* transport: starts to accept connections. When it returns 0, clients can connect. */
    int (*start)(void *self);
    /* transport: closes everything, and removes what `start` has made. Also called if `start` has failed. */
    void (*stop)(void *self);
    /* transport: a watched descriptor is ready. */
    void (*ready)(void *self, void *context, int descriptor, unsigned readiness);
    /* transport: a moment has come. */
    void (*wake)(void *self, void *context);
    /* transport: sends as many of the unsent bytes as the wire accepts, and tells their number with `sent`. If the wire
     * is full, it waits until it has room, and then calls `resume_sending`, or sends the rest itself. */
    void (*flush)(void *self, void *link, sxp_connection connection);
    /* transport: `is_reading` has changed. */
    void (*reading_changed)(void *self, void *link, sxp_connection connection);
    /* transport: the daemon has ended the connection. Close the wire, and free the link. */
    void (*close)(void *self, void *link, enum sxp_end reason);
    /* transport: writes what another process needs to go on with this connection, at most `room` bytes, and returns
     * their number; with the descriptor that it needs, or -1. 0 bytes: the connection cannot go on. For a live update;
     * no daemon calls it yet. */
    size_t (*save)(void *self, void *link, void *bytes, size_t room, int *descriptor);
    /* transport: makes the link again from these bytes. For a live update; no daemon calls it yet. */
    void *(*restore)(void *self, const void *bytes, size_t length, int descriptor);

    /* storage: hands everything to the loader. Called once, before transports start. An empty storage hands over
     * nothing. */
    int (*load)(void *self, const struct sxp_loader *loader);
    /* storage: begins a batch: the changes of one turn. */
    int (*begin)(void *self);
    /* storage: adds one change. After an error the batch is abandoned. */
    int (*change)(void *self, const struct sxp_change *change);
    /* storage: stores the whole batch, or returns an error and stores nothing. */
    int (*commit)(void *self);
    /* storage: forgets the batch, since a change has failed. */
    void (*abandon)(void *self);
    /* storage: the daemon ends in an orderly way. */
    void (*finish)(void *self);
    /* storage: looks at a file while no plugin is made (`--check-store`), or repairs it and sets the old one aside
     * (`--repair-store`). Says with `say` what it finds, a line each. Returns 1 if nothing is wrong, or not any more; 0
     * if something is; -1 if the file is none of this plugin. To look changes nothing. */
    int (*inspect)(const char *path, int repairs, void (*say)(void *context, const char *line), void *context);

    /* policy: whether the domain may use a node with these permissions in this way. `target` is the domain whose rights
     * it shares, or -1. Without this function everything is allowed. */
    int (*may_access)(
        void *self, const struct sxp_permission *permissions, size_t count, unsigned access, uint16_t domain,
        int32_t target);
    /* policy: the error if the domain may not hold so much of the resource, such as `ENOSPC`; NULL if it may.
     * `resource` has a name as in GET_QUOTA: `nodes`. */
    const char *(*refusal)(void *self, const char *resource, int64_t amount, uint16_t domain);
};

/* ---- The description -------------------------------------------------------------------------------------------- */

/*
 * Describes the plugin. The text has one statement in a line: a word, a blank, and the rest.
 *
 *     SXP_DESCRIBE(
 *         "kind transport\n"
 *         "name vsock\n"
 *         "summary Serves clients over vsock.\n"
 *         "key port\n"
 *         "type number 1 4294967295\n"
 *         "default 7000\n"
 *         "summary The port on which it listens.\n")
 *
 * kind      transport, storage or policy
 * name      the name in the configuration: lower case, digits and dashes
 * summary   one sentence for the operator; of the plugin, and of each key
 * key       begins a key
 * type      text; path (a file that the plugin makes); device (one that exists); flag; number LEAST MOST; mode;
 *           choice WORD WORD...; duration LEAST MOST; size LEAST MOST; list TYPE; secret
 * default   as the file would have it
 * required  the key must be given
 * dispensable  the plugin runs without the file that the key names
 */
#define SXP_NOTE_OWNER "sxenstored"
#define SXP_NOTE_TYPE 1
#define SXP_STRING_(x) #x
#define SXP_STRING(x) SXP_STRING_(x)
#define SXP_DESCRIBE(text)                                                                                             \
    __attribute__((section(".note.sxenstored"), used, aligned(4))) static const struct {                               \
        uint32_t owner_size, text_size, type;                                                                          \
        char owner[(sizeof(SXP_NOTE_OWNER) + 3) / 4 * 4];                                                              \
        char statements[(sizeof("abi " SXP_STRING(SXP_ABI) "\n" text) + 3) / 4 * 4];                                   \
    } sxp_description = {                                                                                              \
        sizeof(SXP_NOTE_OWNER), sizeof("abi " SXP_STRING(SXP_ABI) "\n" text), SXP_NOTE_TYPE, SXP_NOTE_OWNER,           \
        "abi " SXP_STRING(SXP_ABI) "\n" text,                                                                          \
    };

/* Exports the table: SXP_EXPORT(.make = make, .start = start, ...) */
#define SXP_EXPORT(...)                                                                                                \
    __attribute__((visibility("default"))) extern const struct sxp_plugin sxp_plugin;                                  \
    const struct sxp_plugin sxp_plugin = {.abi = SXP_ABI, .size = sizeof(struct sxp_plugin), __VA_ARGS__};

#ifdef __cplusplus
}
#endif

#endif
