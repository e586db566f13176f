// SPDX-License-Identifier: Apache-2.0
// System calls and constants that the Glibc module does not show to Swift.
#ifndef SXENSTORED_CLINUX_H
#define SXENSTORED_CLINUX_H
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

// The C library declares it only for GNU sources. The Glibc module is not one.
int memfd_create(const char *name, unsigned flags);
int ppoll(struct pollfd *descriptors, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int dup3(int old, int new, int flags);
int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);

// In C these are enumerations, so Swift does not see them as the `int` that the functions take.
static const int linux_sock_stream = SOCK_STREAM;
static const int linux_sock_datagram = SOCK_DGRAM;
static const int linux_sock_nonblock = SOCK_NONBLOCK;
static const int linux_sock_cloexec = SOCK_CLOEXEC;
static const int linux_efd_nonblock = EFD_NONBLOCK;
static const int linux_efd_cloexec = EFD_CLOEXEC;
static const int linux_tfd_nonblock = TFD_NONBLOCK;
static const int linux_tfd_cloexec = TFD_CLOEXEC;
static const int linux_tfd_timer_abstime = TFD_TIMER_ABSTIME;
static const int linux_in_nonblock = IN_NONBLOCK;
static const int linux_in_cloexec = IN_CLOEXEC;
static const int linux_msg_nosignal = MSG_NOSIGNAL;
static const int linux_msg_dontwait = MSG_DONTWAIT;

// F_OFD_SETLK, also only for GNU sources.
static const int linux_ofd_setlk = 37;
// O_PATH
static const int linux_o_path = 010000000;
// MFD_CLOEXEC
static const unsigned linux_mfd_cloexec = 1;

// The process at the other end of a unix socket. struct ucred is also only for GNU sources.
struct linux_client { pid_t process; uid_t user; gid_t group; };
static inline int linux_get_client(int descriptor, struct linux_client *client)
{
    socklen_t size = sizeof *client;
    return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, client, &size);
}

// The C library makes a cancellation point of each call that may block, which takes a third of the call's instructions.
// Nobody cancels a thread here.
long syscall(long number, ...);
static inline ssize_t linux_receive(int descriptor, void *buffer, size_t size)
{
    return syscall(SYS_recvfrom, descriptor, buffer, size, MSG_DONTWAIT, NULL, NULL);
}
static inline ssize_t linux_send(int descriptor, const void *bytes, size_t size)
{
    return syscall(SYS_sendto, descriptor, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}
static inline int linux_epoll_wait(int epoll, struct epoll_event *events, int most, int milliseconds)
{
    return (int)syscall(SYS_epoll_pwait, epoll, events, most, milliseconds, NULL, (size_t)8);
}

// Swift marks fork unavailable, as it is unsafe in a process with threads. The daemon has none yet
// when it goes to the background.
static inline pid_t linux_fork(void) { return fork(); }
// The size of the symbol at this address, as its shared object has it; 0 if there is none.
size_t linux_symbol_size(const void *address);

#endif
