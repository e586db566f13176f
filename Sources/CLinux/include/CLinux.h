// SPDX-License-Identifier: Apache-2.0
// What the Glibc module does not show to Swift. System headers, and nothing that Swift can hold.
#ifndef SXENSTORED_CLINUX_H
#define SXENSTORED_CLINUX_H
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#endif
