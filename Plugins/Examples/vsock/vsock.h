/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the plugin, for each other. */
#ifndef VSOCK_H
#define VSOCK_H

#include <sys/socket.h>

#include <linux/vm_sockets.h>
#include <sxenstored-plugin.h>

#define TEXT_SIZE 128

/* A guest that may connect. */
struct guest {
    unsigned cid;
    uint16_t domain;
};

struct guests {
    struct guest *list;
    size_t count;
};

/* Reads the key `guests`. Returns 0, or an errno after a call of `refuse`. */
int read_guests(const struct sxp_host *host, struct guests *guests);
void free_guests(struct guests *guests);
/* NULL if no guest has this CID. */
const struct guest *find_guest(const struct guests *guests, unsigned cid);

/* What the daemon hands back to `ready` is one of these, and begins with this. */
enum context_kind { A_DOOR, A_CLIENT };

/* A listening socket with its clients. */
struct door {
    enum context_kind kind;
    struct vsock *self;
    int listener;
    int is_vsock;
    int is_resting; /* the system has no descriptor for another client */
    struct client *clients;
    size_t count;
};

struct vsock {
    const struct sxp_host *host;
    struct door guests_door, users_door;
    struct guests guests;
    uint64_t strangers;
    int64_t port;     /* 0: no vsock */
    char socket[108]; /* the name of the abstract socket; empty: none */
};

/* Connects a client, which then owns the descriptor. Returns 0, or an errno; then the descriptor is still the caller's. */
int enter(struct door *door, int descriptor, const struct sxp_peer *peer);
/* Ends a connection. */
void leave(struct client *client);
/* A client's socket is ready. */
void serve(struct client *client, unsigned readiness);

/* The functions of the table that are about one client. */
void flush(void *self, void *link, sxp_connection connection);
void reading_changed(void *self, void *link, sxp_connection connection);
void closed(void *self, void *link, enum sxp_end reason);

#endif
