// SPDX-License-Identifier: Apache-2.0
// Counts how often a program allocates memory and looks up a file's status. It is loaded below the program, and keeps
// the counts in the file that $COUNTS names, so that others can read them at any moment.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct counts { _Atomic unsigned long allocations, stats; };

// The program allocates before there is a file to count in.
static struct counts early;
static struct counts *counts = &early;

__attribute__((constructor)) static void share(void)
{
    const char *path = getenv("COUNTS");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    if (ftruncate(fd, sizeof *counts) == 0) {
        void *shared = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (shared != MAP_FAILED)
            counts = shared;
    }
    close(fd);
}

// Memory. A reallocation counts, too: it may move the block.

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

void *malloc(size_t size)
{
    counts->allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    counts->allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    counts->allocations++;
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    counts->allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    *block = aligned_alloc(alignment, size);
    return *block ? 0 : ENOMEM;
}

// Files. On 64-bit systems both names of a call are the same call.

int fstatat(int folder, const char *path, struct stat *status, int flags)
{
    counts->stats++;
    return (int)syscall(SYS_newfstatat, folder, path, status, flags);
}

int stat(const char *path, struct stat *status) { return fstatat(AT_FDCWD, path, status, 0); }
int lstat(const char *path, struct stat *status) { return fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW); }
int fstat(int fd, struct stat *status) { return fstatat(fd, "", status, AT_EMPTY_PATH); }

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *status)
{
    counts->stats++;
    return (int)syscall(SYS_statx, folder, path, flags, mask, status);
}

int stat64(const char *, struct stat64 *) __attribute__((alias("stat")));
int lstat64(const char *, struct stat64 *) __attribute__((alias("lstat")));
int fstat64(int, struct stat64 *) __attribute__((alias("fstat")));
int fstatat64(int, const char *, struct stat64 *, int) __attribute__((alias("fstatat")));
