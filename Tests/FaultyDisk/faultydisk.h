// SPDX-License-Identifier: Apache-2.0
/*
 * A disk that fails when the test says so, and that knows its content after a power cut. Preloaded
 * into a daemon, it is between the daemon and the files of one folder:
 *
 *   cc -O2 -Wall -shared -fPIC -fvisibility=hidden -o libfaultydisk.so *.c
 *   FAULTYDISK=/dev/shm/disk FAULTYDISK_DIR=/tmp/folder LD_PRELOAD=$PWD/libfaultydisk.so sxenstored -N
 *
 * The test makes the file $FAULTYDISK as large as the log may become. The file begins with struct
 * disk: the calls that will fail, and the length of the log. The log follows. It has one struct entry,
 * with a name and bytes, for each change of the files, in order. The first entries describe the files
 * at the start.
 *
 * A call and its entry are one step under a lock, and the length grows last. So when a client has an
 * answer, the log has everything that the daemon did before. If there is a fifo $FAULTYDISK-bell, it
 * gets a byte for each entry.
 *
 * No file is really synced. As in the kernel, a failed sync drops the bytes that it should write, and
 * each other open descriptor of the file gets the error once.
 *
 * Writable shared mappings fail, since this cannot see writes to them. libtdb works without them.
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

/* The kinds of calls. A rule has them as bits, an entry of the log as a number. */
enum kind { MADE, WRITTEN, SIZED, SYNCED, RENAMED, UNLINKED, OPENED, LOST, THERE };

struct disk {
    uint64_t length;    /* of the log, in bytes */
    uint64_t calls;     /* that could have failed, since the test set this to 0 */
    uint32_t kinds;     /* to which the rule applies: 1 << kind */
    uint32_t countdown; /* the matching call that fails next, counted from 1; 0: no rule */
    uint32_t repeats;   /* the number of calls that fail from then on */
    int32_t error;      /* of these calls; 0: the call writes half of the bytes; -1: see victim; -2: see delay */
    char match[64];     /* the name of the file contains this */
    char victim[64];    /* the file that another program removes right before the call */
    uint64_t hits;      /* calls that have failed */
    uint64_t looks;     /* at names and open files: stat and its like */
    uint32_t delay;     /* milliseconds that a call takes; other calls wait meanwhile */
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
    uint32_t seen; /* failed syncs that this descriptor has reported */
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
/* The fault of the next call: 0 none, 1 half of the bytes, or a negative error. */
int disk_fate(enum kind, const char *name);
const char *disk_name(const char *path); /* within the folder, or NULL */
struct opened *disk_opened(int fd);      /* NULL if the disk does not have the file */
struct file *disk_file(uint32_t number);
void disk_open(int fd, const char *name, int made);
void disk_rename(const char *from, const char *to);

#endif
