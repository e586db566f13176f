// SPDX-License-Identifier: Apache-2.0
// The calls of the C library that change files.
#include "faultydisk.h"
#include <stdarg.h>

static int failed(int fate)
{
    errno = -fate;
    return -1;
}

static int open_file(const char *path, int flags, mode_t mode)
{
    if (!disk_begin())
        return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    const char *name = disk_name(path);
    int fate = name ? disk_fate(OPENED, name) : 0;
    struct stat status;
    int made = name && flags & O_CREAT && stat(path, &status) != 0;
    int fd = fate < 0 ? failed(fate) : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    int error = errno;
    if (fd >= 0) {
        disk_open(fd, name, made);
        struct opened *file = disk_opened(fd);
        if (file && !made && flags & O_TRUNC)
            disk_log(SIZED, file->file, NULL, 0, 0, NULL, 0);
    }
    errno = error;
    disk_end();
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list list; \
        va_start(list, flags); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }

EXPORT int open(const char *path, int flags, ...)
{
    MODE(flags)
    return open_file(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
    MODE(flags)
    return open_file(path, flags, mode);
}

EXPORT int openat(int at, const char *path, int flags, ...)
{
    MODE(flags)
    if (at == AT_FDCWD || *path == '/')
        return open_file(path, flags, mode);
    return syscall(SYS_openat, at, path, flags, mode);
}

EXPORT int openat64(int at, const char *path, int flags, ...)
{
    MODE(flags)
    return openat(at, path, flags, mode);
}

EXPORT int creat(const char *path, mode_t mode)
{
    return open_file(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT int close(int fd)
{
    if (disk_begin()) {
        struct opened *file = disk_opened(fd);
        if (file)
            file->tracked = 0;
        disk_end();
    }
    return syscall(SYS_close, fd);
}

EXPORT int dup2(int fd, int other)
{
    if (disk_begin()) {
        struct opened *file = disk_opened(other);
        if (file && fd != other)
            file->tracked = 0;
        disk_end();
    }
    return syscall(SYS_dup3, fd, other, 0);
}

/* An offset of -1 means the file's own position. */
static ssize_t write_at(int fd, const void *bytes, size_t count, off_t offset)
{
    int is_ours = disk_begin();
    struct opened *file = is_ours ? disk_opened(fd) : NULL;
    if (!file) {
        if (is_ours)
            disk_end();
        return offset < 0 ? syscall(SYS_write, fd, bytes, count) : syscall(SYS_pwrite64, fd, bytes, count, offset);
    }
    off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
    int fate = disk_fate(WRITTEN, disk_file(file->file)->name);
    if (fate > 0 && count < 2)
        fate = -ENOSPC;
    if (fate > 0)
        count /= 2;
    ssize_t done = fate < 0    ? failed(fate)
                   : offset < 0 ? syscall(SYS_write, fd, bytes, count)
                                : syscall(SYS_pwrite64, fd, bytes, count, offset);
    if (done > 0)
        disk_log(WRITTEN, file->file, NULL, 0, at, bytes, done);
    disk_end();
    return done;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t count)
{
    return write_at(fd, bytes, count, -1);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    return write_at(fd, bytes, count, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset)
{
    return write_at(fd, bytes, count, offset);
}

EXPORT int ftruncate(int fd, off_t size)
{
    int is_ours = disk_begin();
    struct opened *file = is_ours ? disk_opened(fd) : NULL;
    int fate = file ? disk_fate(SIZED, disk_file(file->file)->name) : 0;
    if (fate > 0)
        fate = -EIO;
    int result = fate < 0 ? failed(fate) : (int)syscall(SYS_ftruncate, fd, size);
    if (file && result == 0)
        disk_log(SIZED, file->file, NULL, 0, 0, NULL, size);
    if (is_ours)
        disk_end();
    return result;
}

EXPORT int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t size)
{
    int is_ours = disk_begin();
    struct opened *file = is_ours ? disk_opened(fd) : NULL;
    int fate = file ? disk_fate(SIZED, disk_file(file->file)->name) : 0;
    if (fate > 0)
        fate = -ENOSPC;
    int result = fate < 0 ? failed(fate) : (int)syscall(SYS_fallocate, fd, mode, offset, size);
    struct stat status;
    if (file && result == 0 && fstat(fd, &status) == 0)
        disk_log(SIZED, file->file, NULL, 0, 0, NULL, status.st_size);
    if (is_ours)
        disk_end();
    return result;
}

EXPORT int fallocate64(int fd, int mode, off_t offset, off_t size)
{
    return fallocate(fd, mode, offset, size);
}

/* Leaves errno as it is, like the C library's. */
EXPORT int posix_fallocate(int fd, off_t offset, off_t size)
{
    int before = errno;
    int result = fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
    errno = before;
    return result;
}

EXPORT int posix_fallocate64(int fd, off_t offset, off_t size)
{
    return posix_fallocate(fd, offset, size);
}

static int sync_file(int fd, long call)
{
    int is_ours = disk_begin();
    struct opened *opened = is_ours ? disk_opened(fd) : NULL;
    if (!opened) {
        if (is_ours)
            disk_end();
        return syscall(call, fd);
    }
    struct file *file = disk_file(opened->file);
    int fate = disk_fate(SYNCED, opened->file ? file->name : ".");
    if (fate > 0)
        fate = -EIO;
    if (fate < 0 && opened->file)
        opened->seen = ++file->failed;
    disk_log(fate < 0 ? LOST : SYNCED, opened->file, NULL, 0, 0, NULL, 0);
    if (fate == 0 && opened->seen < file->failed) {
        opened->seen = file->failed;
        fate = -EIO;
    }
    int result = fate < 0 ? failed(fate) : 0;
    disk_end();
    return result;
}

EXPORT int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

EXPORT int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

EXPORT int rename(const char *from, const char *to)
{
    int is_ours = disk_begin();
    const char *old = is_ours ? disk_name(from) : NULL;
    const char *new = old ? disk_name(to) : NULL;
    int fate = new ? disk_fate(RENAMED, new) : 0;
    if (fate > 0)
        fate = -EIO;
    int result = fate < 0 ? failed(fate) : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (new && result == 0)
        disk_rename(old, new);
    if (is_ours)
        disk_end();
    return result;
}

EXPORT int unlink(const char *path)
{
    int is_ours = disk_begin();
    const char *name = is_ours ? disk_name(path) : NULL;
    int fate = name ? disk_fate(UNLINKED, name) : 0;
    if (fate > 0)
        fate = -EIO;
    int result = fate < 0 ? failed(fate) : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (name && result == 0)
        disk_log(UNLINKED, 0, name, strlen(name), 0, NULL, 0);
    if (is_ours)
        disk_end();
    return result;
}

EXPORT int stat(const char *path, struct stat *status)
{
    disk_look(path);
    return syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);
}

EXPORT int stat64(const char *path, struct stat64 *status)
{
    return stat(path, (struct stat *)status);
}

EXPORT int lstat(const char *path, struct stat *status)
{
    disk_look(path);
    return syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

EXPORT int fstat(int fd, struct stat *status)
{
    disk_look(NULL);
    return syscall(SYS_fstat, fd, status);
}

EXPORT int fstat64(int fd, struct stat64 *status)
{
    return fstat(fd, (struct stat *)status);
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    int is_ours = flags & MAP_SHARED && protection & PROT_WRITE && disk_begin();
    int is_refused = is_ours && disk_opened(fd);
    if (is_ours)
        disk_end();
    if (is_refused) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return mmap(address, size, protection, flags, fd, offset);
}
