/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the test: a host with vsock, on a machine without guests. It is preloaded below the daemon. A vsock port is then an
 * abstract socket, `FAKE_VSOCK:PORT`. A client binds its own end to the name `CID:anything`.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

int socket(int family, int type, int protocol)
{
    int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    return real(family == AF_VSOCK ? AF_UNIX : family, type, protocol);
}

int bind(int descriptor, const struct sockaddr *address, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    if (address->sa_family != AF_VSOCK)
        return real(descriptor, address, length);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int count = snprintf(local.sun_path + 1, sizeof local.sun_path - 1, "%s:%u", getenv("FAKE_VSOCK"),
                         ((const struct sockaddr_vm *)address)->svm_port);
    return real(descriptor, (struct sockaddr *)&local,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)count));
}

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    int (*real)(int, struct sockaddr *, socklen_t *, int) =
        (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    struct sockaddr_un from = {0};
    socklen_t size = sizeof from;
    int descriptor = real(listener, (struct sockaddr *)&from, &size, flags);
    unsigned cid = 0;
    if (descriptor >= 0 && sscanf(from.sun_path + 1, "%u:", &cid) == 1) {
        struct sockaddr_vm guest = {.svm_family = AF_VSOCK, .svm_cid = cid};
        memcpy(address, &guest, sizeof guest);
        *length = sizeof guest;
    }
    return descriptor;
}
