/* SPDX-License-Identifier: Apache-2.0 */
/* A unix socket whose clients are one guest. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <sxenstored-plugin.h>

SXP_DESCRIBE("kind transport\n"
             "name plugin-name\n"
             "summary A unix socket whose clients have the rights of one guest.\n"
             "key path\n"
             "type path\n"
             "default ${rundir}/plugin-name\n"
             "summary The socket's file.\n"
             "key domain\n"
             "type number 1 32751\n"
             "default 1\n"
             "summary The guest that the clients are.\n")

struct client {
    struct client *previous, *next;
    int descriptor;
    int is_full; /* the wire has no room */
    int is_done; /* the peer sends nothing more */
    sxp_connection connection;
};

struct transport {
    const struct sxp_host *host;
    int listener;          /* -1: not started */
    struct client clients; /* the head of a ring */
};

/* ---- Clients ---------------------------------------------------------------------------------------------------- */

/* Waits for what the client needs now, whatever has changed. */
static void wait_on(struct transport *transport, struct client *client)
{
    const struct sxp_host *host = transport->host;
    int reads = !client->is_done && host->is_reading(host, client->connection);
    host->rewatch(host, client->descriptor, (reads ? SXP_READABLE : 0) | (client->is_full ? SXP_WRITABLE : 0));
}

/* Frees a client whose connection has ended. */
static void drop(struct transport *transport, struct client *client)
{
    transport->host->forget(transport->host, client->descriptor);
    close(client->descriptor);
    client->previous->next = client->next;
    client->next->previous = client->previous;
    free(client);
}

static void hang_up(struct transport *transport, struct client *client)
{
    transport->host->disconnect(transport->host, client->connection);
    drop(transport, client);
}

static int connect_client(struct transport *transport, int descriptor)
{
    const struct sxp_host *host = transport->host;
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL || host->watch(host, descriptor, SXP_READABLE, client) != 0) {
        free(client);
        return -1;
    }
    client->descriptor = descriptor;
    client->previous = &transport->clients;
    client->next = transport->clients.next;
    client->previous->next = client->next->previous = client;
    struct sxp_peer peer = {.size = sizeof peer, .domain = (uint16_t)host->number(host, "domain", 1)};
    client->connection = host->connect(host, client, &peer);
    return 0;
}

static void accept_client(struct transport *transport)
{
    int descriptor = accept4(transport->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0 && connect_client(transport, descriptor) != 0)
        close(descriptor);
}

/* The peer may still read its last replies. Then the daemon ends the connection. */
static void receive_end(struct transport *transport, struct client *client)
{
    client->is_done = 1;
    wait_on(transport, client);
    transport->host->received_end(transport->host, client->connection);
}

/* Reads once, so that each client gets its turn. The daemon calls `ready` again if there is more. */
static void receive(struct transport *transport, struct client *client, int is_hung_up)
{
    const struct sxp_host *host = transport->host;
    char bytes[16384];
    ssize_t count = recv(client->descriptor, bytes, sizeof bytes, 0);
    if (count > 0) /* This may end the connection: the client is not used after it. */
        host->receive(host, client->connection, bytes, (size_t)count);
    else if (count == 0 && !is_hung_up)
        receive_end(transport, client);
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        hang_up(transport, client);
}

static void ready(void *self, void *context, int descriptor, unsigned readiness)
{
    struct transport *transport = self;
    struct client *client = context;
    if (descriptor == transport->listener) {
        accept_client(transport);
        return;
    }
    if (readiness & SXP_WRITABLE) {
        client->is_full = 0;
        wait_on(transport, client);
        transport->host->resume_sending(transport->host, client->connection);
    }
    if (readiness & SXP_READABLE)
        receive(transport, client, readiness & SXP_HUNG_UP);
    else if (readiness & SXP_HUNG_UP)
        hang_up(transport, client);
}

static void flush(void *self, void *link, sxp_connection connection)
{
    struct transport *transport = self;
    struct client *client = link;
    const struct sxp_host *host = transport->host;
    size_t length;
    const void *bytes = host->unsent(host, connection, &length);
    ssize_t count = length > 0 ? send(client->descriptor, bytes, length, MSG_NOSIGNAL) : 0;
    if (count > 0)
        host->sent(host, connection, (size_t)count);
    client->is_full = count < (ssize_t)length;
    wait_on(transport, client);
}

static void reading_changed(void *self, void *link, sxp_connection connection)
{
    (void)connection;
    wait_on(self, link);
}

static void close_link(void *self, void *link, enum sxp_end reason)
{
    (void)reason;
    drop(self, link);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static void *make(const struct sxp_host *host)
{
    struct transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        host->refuse(host, NULL, ENOMEM, "make the transport");
        return NULL;
    }
    transport->host = host;
    transport->listener = -1;
    transport->clients.previous = transport->clients.next = &transport->clients;
    return transport;
}

static void destroy(void *self) { free(self); }

static int fail(struct transport *transport, const char *key, int code, const char *text)
{
    transport->host->refuse(transport->host, key, code, text);
    return code;
}

static int start(void *self)
{
    struct transport *transport = self;
    const struct sxp_host *host = transport->host;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = host->text(host, "path");
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
        return fail(transport, "path", ENAMETOOLONG, "is too long for a socket");
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return fail(transport, NULL, errno, "make a socket");
    unlink(path); /* that of a daemon that was killed */
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) {
        int code = errno;
        close(listener);
        return fail(transport, "path", code, "bind the socket");
    }
    transport->listener = listener; /* `stop` is called also if this fails now */
    if (listen(listener, 128) != 0)
        return fail(transport, NULL, errno, "listen");
    return host->watch(host, listener, SXP_READABLE, NULL);
}

static void stop(void *self)
{
    struct transport *transport = self;
    const struct sxp_host *host = transport->host;
    while (transport->clients.next != &transport->clients)
        hang_up(transport, transport->clients.next);
    if (transport->listener < 0)
        return;
    host->forget(host, transport->listener);
    close(transport->listener);
    transport->listener = -1;
    unlink(host->text(host, "path"));
}

SXP_EXPORT(.make = make, .destroy = destroy, .start = start, .stop = stop, .ready = ready, .flush = flush,
           .reading_changed = reading_changed, .close = close_link)
