/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unix socket whose clients must first send a token of four bytes: a transport for the tests. What is defined makes it
 * wrong in one way: see SharedObjectTests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sxenstored-plugin.h"

#ifndef DESCRIPTION
#define DESCRIPTION                                                                                                    \
    "kind transport\n"                                                                                                 \
    "name gate\n"                                                                                                      \
    "summary A socket that opens for a token.\n"                                                                       \
    "key path\n"                                                                                                       \
    "type path\n"                                                                                                      \
    "default ${rundir}/gate\n"                                                                                         \
    "summary The path of the socket.\n"                                                                                \
    "key token\n"                                                                                                      \
    "type text\n"                                                                                                      \
    "required\n"                                                                                                       \
    "summary The four bytes that a client sends first.\n"                                                              \
    "key domain\n"                                                                                                     \
    "type number 0 32751\n"                                                                                            \
    "default 5\n"                                                                                                      \
    "summary The domain of the clients.\n"                                                                             \
    "key patience\n"                                                                                                   \
    "type duration 1ms 1h\n"                                                                                           \
    "default 10s\n"                                                                                                    \
    "summary How long a client may take for its token.\n"
#endif

SXP_DESCRIBE(DESCRIPTION)

struct gate {
    const struct sxp_host *host;
    int listener;
    struct client *all;
    uint64_t clients, strangers;
};

struct client {
    struct client *next;
    struct gate *gate;
    int descriptor;
    sxp_connection connection; /* 0 until the token was right */
    int is_full;               /* the wire has no room */
};

#ifdef RUNS_AT_ONCE
__attribute__((constructor)) static void run(void)
{
    close(open(RUNS_AT_ONCE, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}
#endif

/* Waits for what the connection needs now: both reasons count, whichever has changed. */
static void wait_on(struct client *client)
{
    const struct sxp_host *host = client->gate->host;
    int reads = client->connection == 0 || host->is_reading(host, client->connection);
#ifdef READS_ON
    reads = 1;
#endif
    host->rewatch(host, client->descriptor, (reads ? SXP_READABLE : 0) | (client->is_full ? SXP_WRITABLE : 0));
}

static void *make(const struct sxp_host *host)
{
#ifdef REFUSES
    host->refuse(host, "token", 0, "is not a good token");
    return NULL;
#endif
    if (strlen(host->text(host, "token")) != 4) {
        host->refuse(host, "token", 0, "must have four bytes");
        return NULL;
    }
    struct gate *gate = calloc(1, sizeof *gate);
    gate->host = host;
    gate->listener = -1;
    return gate;
}

static void destroy(void *self) { free(self); }

static int reload(void *self)
{
    struct gate *gate = self;
    if (strlen(gate->host->text(gate->host, "token")) == 4)
        return 0;
    gate->host->refuse(gate->host, "token", 0, "must have four bytes");
    return EINVAL;
}

static void drop(struct client *client)
{
    const struct sxp_host *host = client->gate->host;
    struct client **at = &client->gate->all;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    host->wake_at(host, 0, client);
    host->forget(host, client->descriptor);
    close(client->descriptor);
    free(client);
}

#ifdef CALLS_FROM_A_THREAD
static void *other(void *data)
{
    const struct sxp_host *host = ((struct gate *)data)->host;
    struct sxp_peer peer = {.size = sizeof peer, .domain = 5};
    if (host->connect(host, NULL, &peer) == 0)
        host->log(host, SXP_NOTICE, "another thread got no connection");
    return NULL;
}
#endif

static int start(void *self)
{
    struct gate *gate = self;
    const struct sxp_host *host = gate->host;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", host->text(host, "path"));
    gate->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(gate->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(gate->listener, 8) != 0) {
        int code = errno;
        host->refuse(host, NULL, code, "bind the socket");
        return code;
    }
#ifdef CALLS_FROM_A_THREAD
    pthread_t thread;
    pthread_create(&thread, NULL, other, gate);
    pthread_join(thread, NULL);
#endif
#ifdef LEAKS
    dup(0);
#endif
#ifdef CRASHES_AT_START
    *(volatile int *)8 = 1;
#endif
#ifdef EXITS_AT_START
    _exit(3);
#endif
    return host->watch(host, gate->listener, SXP_READABLE, NULL);
}

static void stop(void *self)
{
    struct gate *gate = self;
    while (gate->all != NULL) {
        if (gate->all->connection != 0)
            gate->host->disconnect(gate->host, gate->all->connection);
        drop(gate->all);
    }
    if (gate->listener < 0)
        return;
    gate->host->forget(gate->host, gate->listener);
    close(gate->listener);
    gate->listener = -1;
#ifndef LEAVES_SOCKET
    unlink(gate->host->text(gate->host, "path"));
#endif
}

static void greet(struct gate *gate)
{
    const struct sxp_host *host = gate->host;
    int descriptor = accept4(gate->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0)
        return;
    struct client *client = calloc(1, sizeof *client);
    client->gate = gate;
    client->descriptor = descriptor;
    client->next = gate->all;
    gate->all = client;
    host->watch(host, descriptor, SXP_READABLE, client);
    host->wake_at(host, host->now(host) + (uint64_t)host->number(host, "patience", 0), client);
}

static void admit(struct client *client)
{
    struct gate *gate = client->gate;
    const struct sxp_host *host = gate->host;
    char token[4];
    ssize_t count = read(client->descriptor, token, sizeof token);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count != sizeof token || memcmp(token, host->text(host, "token"), sizeof token) != 0) {
        gate->strangers++;
        host->log(host, SXP_NOTICE, "a stranger is sent away");
        drop(client);
        return;
    }
    host->wake_at(host, 0, client);
    struct sxp_peer peer = {.size = sizeof peer, .domain = (uint16_t)host->number(host, "domain", 0)};
    peer.privileged = peer.domain == 0;
    client->connection = host->connect(host, client, &peer);
    gate->clients++;
}

static void ready(void *self, void *context, int descriptor, unsigned readiness)
{
    struct gate *gate = self;
    struct client *client = context;
    const struct sxp_host *host = gate->host;
    if (client == NULL)
        return greet(gate);
    if (client->connection == 0)
        return admit(client);
    if (readiness & SXP_WRITABLE) {
        client->is_full = 0;
        wait_on(client);
        host->resume_sending(host, client->connection);
    }
    if (!(readiness & (SXP_READABLE | SXP_HUNG_UP)))
        return;
    char bytes[4096];
    ssize_t count = read(descriptor, bytes, sizeof bytes);
    if (count > 0) {
        host->receive(host, client->connection, bytes, (size_t)count);
    } else if (count == 0 || errno != EAGAIN) {
#ifdef USES_ENDED
        sxp_connection ended = client->connection;
#endif
        host->disconnect(host, client->connection);
        drop(client);
#ifdef USES_ENDED
        host->receive(host, ended, "x", 1);
#endif
    }
}

static void wake(void *self, void *context)
{
    (void)self;
    struct client *client = context;
    client->gate->host->log(client->gate->host, SXP_NOTICE, "a client is too slow");
    drop(client);
}

static void flush(void *self, void *link, sxp_connection connection)
{
    struct gate *gate = self;
    struct client *client = link;
    const struct sxp_host *host = gate->host;
    size_t length;
    const void *bytes = host->unsent(host, connection, &length);
#ifdef DEAF
    host->sent(host, connection, length);
    length = 0;
#endif
    ssize_t count = length > 0 ? send(client->descriptor, bytes, length, MSG_NOSIGNAL) : 0;
    if (count > 0)
        host->sent(host, connection, (size_t)count);
#ifdef SENDS_TOO_MUCH
    host->sent(host, connection, 1);
#endif
    client->is_full = count < (ssize_t)length;
    wait_on(client);
}

static void reading_changed(void *self, void *link, sxp_connection connection)
{
    (void)self, (void)connection;
    wait_on(link);
}

static void close_link(void *self, void *link, enum sxp_end reason)
{
    struct gate *gate = self;
    char text[64];
    snprintf(text, sizeof text, "closed for reason %d", reason);
    gate->host->log(gate->host, SXP_NOTICE, text);
#ifndef KEEPS_ENDED
    drop(link);
#endif
}

static size_t measure(void *self, struct sxp_measurement *measurements, size_t room)
{
    struct gate *gate = self;
    if (room < 2)
        return 0;
    measurements[0] = (struct sxp_measurement){
        .name = "clients", .unit = "one", .summary = "Clients with the right token.", .value = gate->clients, .is_total = 1};
    measurements[1] = (struct sxp_measurement){
        .name = "strangers", .unit = "one", .summary = "Clients without.", .value = gate->strangers, .is_total = 1};
    return 2;
}

#ifdef TABLE
TABLE
#else
SXP_EXPORT(.make = make, .destroy = destroy, .reload = reload, .measure = measure, .start = start, .stop = stop,
           .ready = ready, .wake = wake,
#ifndef WITHOUT_FLUSH
           .flush = flush,
#endif
           .reading_changed = reading_changed, .close = close_link)
#endif
