/* SPDX-License-Identifier: Apache-2.0 */
/* One client: bytes in, bytes out, and its end. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vsock.h"

struct client {
    enum context_kind kind;
    struct door *door;
    int descriptor;
    sxp_connection connection;
    int is_full; /* the socket has no room for more */
    struct client *previous, *next;
};

static const struct sxp_host *host_of(const struct client *client) { return client->door->self->host; }

/* What to wait for: both reasons count, whichever has changed. */
static void wait_on(struct client *client)
{
    const struct sxp_host *host = host_of(client);
    unsigned reads = host->is_reading(host, client->connection) ? SXP_READABLE : 0;
    host->rewatch(host, client->descriptor, reads | (client->is_full ? SXP_WRITABLE : 0));
}

/* Frees a client whose connection has ended. */
static void drop(struct client *client)
{
    const struct sxp_host *host = host_of(client);
    struct door *door = client->door;
    *(client->previous ? &client->previous->next : &door->clients) = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    door->count--;
    host->forget(host, client->descriptor);
    close(client->descriptor);
    free(client);
}

int enter(struct door *door, int descriptor, const struct sxp_peer *peer)
{
    const struct sxp_host *host = door->self->host;
    struct client *client = malloc(sizeof *client);
    if (client == NULL)
        return ENOMEM;
    *client = (struct client){.kind = A_CLIENT, .door = door, .descriptor = descriptor, .next = door->clients};
    int code = host->watch(host, descriptor, SXP_READABLE, client);
    if (code == 0 && (client->connection = host->connect(host, client, peer)) == 0) {
        host->forget(host, descriptor);
        code = EINVAL;
    }
    if (code != 0) {
        free(client);
        return code;
    }
    if (client->next != NULL)
        client->next->previous = client;
    door->clients = client;
    door->count++;
    return 0;
}

void leave(struct client *client)
{
    const struct sxp_host *host = host_of(client);
    host->disconnect(host, client->connection);
    drop(client);
}

/* Reads once, so that each client gets its turn. The daemon may end the connection meanwhile, and free the client. */
static void take(struct client *client)
{
    const struct sxp_host *host = host_of(client);
    static char bytes[65536];
    ssize_t count = recv(client->descriptor, bytes, sizeof bytes, 0);
    if (count > 0) {
        host->receive(host, client->connection, bytes, (size_t)count);
    } else if (count == 0) {
        /* It may still read: the daemon sends the last replies, and then ends the connection. */
        host->received_end(host, client->connection);
    } else if (errno != EAGAIN && errno != EINTR) {
        leave(client);
    }
}

void serve(struct client *client, unsigned readiness)
{
    const struct sxp_host *host = host_of(client);
    if (readiness & SXP_WRITABLE) {
        client->is_full = 0;
        wait_on(client);
        host->resume_sending(host, client->connection);
    }
    if (readiness & SXP_READABLE && host->is_reading(host, client->connection))
        take(client);
    else if (readiness & SXP_HUNG_UP)
        leave(client);
}

void flush(void *self, void *link, sxp_connection connection)
{
    (void)self;
    struct client *client = link;
    const struct sxp_host *host = host_of(client);
    size_t length;
    const void *bytes = host->unsent(host, connection, &length);
    ssize_t count = length > 0 ? send(client->descriptor, bytes, length, MSG_NOSIGNAL) : 0;
    if (count > 0)
        host->sent(host, connection, (size_t)count);
    /* After an error the socket is told to be hung up, and that ends the connection. */
    client->is_full = count < (ssize_t)length;
    wait_on(client);
}

void reading_changed(void *self, void *link, sxp_connection connection)
{
    (void)self, (void)connection;
    wait_on(link);
}

void closed(void *self, void *link, enum sxp_end reason)
{
    (void)self, (void)reason;
    drop(link);
}
