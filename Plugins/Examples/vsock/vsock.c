/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport for sxenstored: guests over vsock, and programs of this host over an abstract socket.
 *
 * This file accepts clients. `client.c` serves them, and `guests.c` knows which guest is which domain.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vsock.h"

SXP_DESCRIBE(
    "kind transport\n"
    "name vsock\n"
    "summary Guests over vsock, and programs of this host over an abstract socket.\n"
    "key port\n"
    "type number 0 4294967294\n"
    "default 0\n"
    "summary The vsock port on which it listens. 0 means not at all.\n"
    "key guests\n"
    "type list text\n"
    "summary The guests that may connect, each as CID=DOMAIN.\n"
    "key socket\n"
    "type text\n"
    "summary The name of the abstract socket, without the @ that tools write before it. Without a name there is none.\n"
    "key users\n"
    "type list number 0 4294967294\n"
    "default 0\n"
    "summary The users, by number, whose programs may connect to the abstract socket.\n"
    "key domain\n"
    "type number 0 32751\n"
    "default 0\n"
    "summary The domain whose rights programs at the abstract socket have. 0 is the control domain, with all rights.\n"
    "key connections\n"
    "type number 1 100000\n"
    "default 100\n"
    "summary Clients at a time, at each of the two sockets.\n")

/* How long a socket rests when the system has no descriptor for another client. */
#define REST 100000000u
/* Clients that are accepted before others get their turn. */
#define AT_ONCE 16

static void *make(const struct sxp_host *host)
{
    struct vsock *self = calloc(1, sizeof *self);
    if (self == NULL) {
        host->refuse(host, NULL, ENOMEM, "make the plugin");
        return NULL;
    }
    self->host = host;
    self->guests_door = (struct door){.self = self, .listener = -1, .is_vsock = 1};
    self->users_door = (struct door){.self = self, .listener = -1};
    const char *name = host->text(host, "socket");
    if (name != NULL && (name[0] == 0 || strlen(name) >= sizeof self->socket)) {
        host->refuse(host, "socket", 0, "must have 1 to 107 bytes");
    } else if (name == NULL && host->number(host, "port", 0) == 0) {
        host->refuse(host, NULL, 0, "has neither a port nor a socket, so nobody could connect");
    } else if (read_guests(host, &self->guests) == 0) {
        self->port = host->number(host, "port", 0);
        snprintf(self->socket, sizeof self->socket, "%s", name != NULL ? name : "");
        return self;
    }
    free(self);
    return NULL;
}

static void destroy(void *data)
{
    struct vsock *self = data;
    free_guests(&self->guests);
    free(self);
}

/* Who may connect can change. The sockets cannot. */
static int reload(void *data)
{
    struct vsock *self = data;
    const struct sxp_host *host = self->host;
    const char *name = host->text(host, "socket");
    const char *changed = NULL;
    if (host->number(host, "port", 0) != self->port)
        changed = "port";
    else if (strcmp(name != NULL ? name : "", self->socket) != 0)
        changed = "socket";
    if (changed != NULL) {
        host->refuse(host, changed, 0, "can change only with a restart");
        return EINVAL;
    }
    struct guests guests;
    if (read_guests(host, &guests) != 0)
        return EINVAL;
    free_guests(&self->guests);
    self->guests = guests;
    return 0;
}

/* ---- The two sockets -------------------------------------------------------------------------------------------- */

static int listen_on(struct door *door, const struct sockaddr *address, socklen_t length, const char *doing)
{
    const struct sxp_host *host = door->self->host;
    int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int code = 0;
    if (descriptor < 0 || bind(descriptor, address, length) != 0 || listen(descriptor, 128) != 0) {
        code = errno;
        host->refuse(host, NULL, code, doing);
    } else {
        code = host->watch(host, descriptor, SXP_READABLE, &door->kind);
    }
    if (code == 0)
        door->listener = descriptor;
    else if (descriptor >= 0)
        close(descriptor);
    return code;
}

static int start(void *data)
{
    struct vsock *self = data;
    if (self->port != 0) {
        struct sockaddr_vm address = {
            .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = (unsigned)self->port};
        int code = listen_on(&self->guests_door, (struct sockaddr *)&address, sizeof address, "listen on vsock");
        if (code != 0)
            return code;
    }
    size_t length = strlen(self->socket);
    if (length == 0)
        return 0;
    /* The first byte is 0. The rest is the name, without a 0 at its end. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, self->socket, length);
    return listen_on(&self->users_door, (struct sockaddr *)&address,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length), "listen on the abstract socket");
}

static void shut(struct door *door)
{
    while (door->clients != NULL)
        leave(door->clients);
    if (door->listener < 0)
        return;
    door->self->host->wake_at(door->self->host, 0, &door->kind);
    door->self->host->forget(door->self->host, door->listener);
    close(door->listener);
    door->listener = -1;
}

static void stop(void *data)
{
    struct vsock *self = data;
    shut(&self->guests_door);
    shut(&self->users_door);
}

/* ---- Who may connect -------------------------------------------------------------------------------------------- */

/* Finds out which peer a client is, and describes it in `text`. Returns 0 for a stranger. */
static int admit_guest(const struct door *door, const struct sockaddr_vm *from, struct sxp_peer *peer, char *text)
{
    const struct guest *guest = find_guest(&door->self->guests, from->svm_cid);
    snprintf(text, TEXT_SIZE, "the guest with CID %u", from->svm_cid);
    if (guest != NULL)
        peer->domain = guest->domain;
    return guest != NULL;
}

static int admit_user(const struct door *door, int descriptor, struct sxp_peer *peer, char *text)
{
    const struct sxp_host *host = door->self->host;
    struct ucred who;
    socklen_t length = sizeof who;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0) {
        snprintf(text, TEXT_SIZE, "a program without credentials");
        return 0;
    }
    snprintf(text, TEXT_SIZE, "process %d of user %u", (int)who.pid, (unsigned)who.uid);
    peer->domain = (uint16_t)host->number(host, "domain", 0);
    peer->privileged = peer->domain == 0;
    for (size_t index = 0; index < host->count(host, "users"); index++)
        if (strtoul(host->item(host, "users", index), NULL, 10) == who.uid)
            return 1;
    return 0;
}

static void greet(struct door *door, int descriptor, const struct sockaddr_vm *from)
{
    const struct sxp_host *host = door->self->host;
    struct sxp_peer peer = {.size = sizeof peer};
    char client[TEXT_SIZE], text[2 * TEXT_SIZE];
    int is_known = door->is_vsock ? admit_guest(door, from, &peer, client) : admit_user(door, descriptor, &peer, client);
    const char *problem = NULL;
    if (!is_known)
        problem = "may not connect";
    else if (door->count >= (size_t)host->number(host, "connections", 0))
        problem = "is turned away: there are too many clients";
    else if (enter(door, descriptor, &peer) != 0)
        problem = "is turned away: the daemon cannot serve it";
    if (problem == NULL)
        return;
    close(descriptor);
    door->self->strangers++;
    snprintf(text, sizeof text, "%s %s", client, problem);
    host->log(host, SXP_INFO, text);
}

/* Without a descriptor for it, a client stays in the system's queue, and the listener stays ready. */
static void rest(struct door *door, int code)
{
    const struct sxp_host *host = door->self->host;
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "cannot accept a client: %s; tries again", strerror(code));
    if (!door->is_resting)
        host->log(host, SXP_WARNING, text);
    door->is_resting = 1;
    host->rewatch(host, door->listener, 0);
    host->wake_at(host, host->now(host) + REST, &door->kind);
}

static void accept_clients(struct door *door)
{
    for (int number = 0; number < AT_ONCE; number++) {
        union {
            struct sockaddr any;
            struct sockaddr_vm vsock;
            struct sockaddr_un local;
        } from = {0};
        socklen_t length = sizeof from;
        int descriptor = accept4(door->listener, &from.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            door->is_resting = 0;
            greet(door, descriptor, &from.vsock);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            return rest(door, errno);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void wake(void *data, void *context)
{
    struct vsock *self = data;
    struct door *door = context;
    self->host->rewatch(self->host, door->listener, SXP_READABLE);
}

static void ready(void *data, void *context, int descriptor, unsigned readiness)
{
    (void)data, (void)descriptor;
    if (*(enum context_kind *)context == A_DOOR)
        accept_clients(context);
    else
        serve(context, readiness);
}

static size_t measure(void *data, struct sxp_measurement *numbers, size_t room)
{
    const struct vsock *self = data;
    if (room < 3)
        return 0;
    numbers[0] = (struct sxp_measurement){
        .name = "guests", .unit = "one", .summary = "Open connections over vsock.", .value = self->guests_door.count};
    numbers[1] = (struct sxp_measurement){.name = "programs",
                                          .unit = "one",
                                          .summary = "Open connections of the abstract socket.",
                                          .value = self->users_door.count};
    numbers[2] = (struct sxp_measurement){.name = "strangers",
                                          .unit = "one",
                                          .summary = "Clients that were turned away.",
                                          .value = self->strangers,
                                          .is_total = 1};
    return 3;
}

SXP_EXPORT(.make = make, .destroy = destroy, .reload = reload, .measure = measure, .start = start, .stop = stop,
           .ready = ready, .wake = wake, .flush = flush, .reading_changed = reading_changed, .close = closed)
