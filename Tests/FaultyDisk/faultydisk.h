// SPDX-License-Identifier: Apache-2.0
/*
 * A disk that fails when told to, and that knows what would be on it if power were lost. Preloaded
 * into a daemon, it stands between the daemon and the files of one folder:
 *
 *   cc -O2 -Wall -shared -fPIC -fvisibility=hidden -o libfaultydisk.so *.c
 *   FAULTYDISK=/dev/shm/disk FAULTYDISK_DIR=/tmp/folder LD_PRELOAD=$PWD/libfaultydisk.so sxenstored -N
 *
 * $FAULTYDISK is a file that the test has made as large as the log may become. It begins with struct
 * disk: what is to fail, and how long the log is. The log follows: one struct entry, its name and its
 * bytes for all that reaches the files, in order. First it tells of the files as they are.
 *
 * A call and its entry are one step under a lock, and the length grows last. So what the daemon did
 * before it answered is in the log when the client that has the answer reads the length. Each entry is
 * also told of by a byte in the fifo $FAULTYDISK-bell, if there is one.
 *
 * Nothing is synced in truth. As the kernel does, a sync that fails lets go of what was to be written,
 * and each other open descriptor of the file is told of it once.
 *
 * Writable shared mappings are refused, which libtdb stands: what is written through them is not seen.
 */
#ifndef FAULTYDISK_H
#define FAULTYDISK_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Kinds of calls, as bits of a rule; entries of the log have their number. */
enum kind { MADE, WRITTEN, SIZED, SYNCED, RENAMED, UNLINKED, OPENED, LOST, THERE };

struct disk {
    uint64_t length;    /* of the log, in bytes */
    uint64_t calls;     /* that could have failed, since the test has set this to 0 */
    uint32_t kinds;     /* that the rule is about: 1 << kind */
    uint32_t countdown; /* the matching call that fails next, counted from 1; 0: no rule */
    uint32_t repeats;   /* so many calls fail from then on */
    int32_t error;      /* that they fail with; 0: half of the bytes are written; -1: see victim; -2: see delay */
    char match[64];     /* the name of the file contains this */
    char victim[64];    /* the file to be removed, by somebody else, before the call is carried out */
    uint64_t hits;      /* calls that have failed */
    uint64_t looks;     /* at names and open files: stat and its like */
    uint32_t delay;     /* milliseconds that a call takes, in which no other goes on */
};

struct entry {
    uint32_t size; /* of all of it, in multiples of 8 */
    uint32_t kind;
    uint32_t file; /* 0 is the folder */
    uint32_t name; /* bytes that follow; a renamed file's two names are separated by a NUL */
    uint64_t offset;
    uint64_t count; /* bytes that follow the name, or the new size */
};

#define DISK_HEADER 4096

/* A file that is open, or the folder. */
struct opened {
    int tracked;
    uint32_t file;
    uint32_t seen; /* failed syncs that this descriptor was told of */
};

struct file {
    ino_t inode;
    uint32_t failed; /* syncs */
    char name[128];
};

void disk_look(const char *path); /* needs no lock; an open file has no path */
int disk_begin(void); /* takes the lock; false if there is no disk */
void disk_end(void);
void disk_log(enum kind, uint32_t file, const char *name, size_t name_size, uint64_t offset, const void *bytes,
              uint64_t count);
/* What is to happen to a call: 0 nothing, 1 half of it, an error otherwise as a negative number. */
int disk_fate(enum kind, const char *name);
const char *disk_name(const char *path); /* within the folder, or NULL */
struct opened *disk_opened(int fd);      /* if it is one of ours, or NULL */
struct file *disk_file(uint32_t number);
void disk_open(int fd, const char *name, int made);
void disk_rename(const char *from, const char *to);

#endif
