// SPDX-License-Identifier: Apache-2.0
/*
 * echofloor: the least a XenStore daemon can do, to know the machine's limit.
 *
 *   cc -O2 -Wall -o echofloor echofloor.c && ./echofloor PATH &
 *   xsbench --socket PATH --op raw ...
 *   ./echofloor --system-call     prints what one that does nothing costs, in nanoseconds
 *
 * An epoll server of one thread. It reads what there is, walks over the 16 byte
 * headers and answers every whole request with its own bytes: one recv and one
 * send for each wakeup of a connection, nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct conn {
    int fd;
    size_t n;
    uint8_t buf[1 << 16];
};

static size_t whole(const uint8_t *b, size_t n)
{
    size_t at = 0;
    uint32_t len;
    while (n - at >= 16) {
        memcpy(&len, b + at + 12, 4);
        if (len > 4096 || n - at - 16 < len)
            break;
        at += 16 + len;
    }
    return at;
}

static double system_call(void)
{
    enum { COUNT = 1000000 };
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (int i = 0; i < COUNT; i++)
        syscall(SYS_getppid);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    return ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / COUNT;
}

int main(int argc, char **argv)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct epoll_event ev[64], e = { .events = EPOLLIN };
    if (argc != 2)
        return 2;
    if (!strcmp(argv[1], "--system-call"))
        return printf("%.0f\n", system_call()) < 0;
    signal(SIGPIPE, SIG_IGN);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", argv[1]);
    unlink(argv[1]);
    int s = socket(AF_UNIX, SOCK_STREAM, 0), ep = epoll_create1(0);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 128)) {
        perror(argv[1]);
        return 1;
    }
    e.data.ptr = NULL;
    epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
    for (;;) {
        int k = epoll_wait(ep, ev, 64, -1);
        for (int i = 0; i < k; i++) {
            struct conn *c = ev[i].data.ptr;
            if (!c) {
                c = malloc(sizeof *c);
                c->fd = accept(s, NULL, NULL);
                c->n = 0;
                e.data.ptr = c;
                epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
                continue;
            }
            ssize_t n = recv(c->fd, c->buf + c->n, sizeof c->buf - c->n, 0);
            if (n <= 0) {
                close(c->fd);
                free(c);
                continue;
            }
            c->n += n;
            size_t w = whole(c->buf, c->n);
            for (size_t at = 0; at < w; at += n)
                if ((n = send(c->fd, c->buf + at, w - at, 0)) < 0)
                    break;
            memmove(c->buf, c->buf + w, c->n - w);
            c->n -= w;
        }
    }
}
