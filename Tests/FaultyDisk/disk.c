// SPDX-License-Identifier: Apache-2.0
// The log, the rule and the open files.
#include "faultydisk.h"
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>

#define FILES 4096
#define DESCRIPTORS 1024

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct disk *disk;
static uint64_t capacity;
static int bell = -1;
static const char *folder;
static dev_t device;
static struct file files[FILES];
static uint32_t file_count;
static struct opened opened[DESCRIPTORS];

int disk_begin(void)
{
    if (!disk)
        return 0;
    pthread_mutex_lock(&mutex);
    return 1;
}

void disk_end(void)
{
    int error = errno;
    pthread_mutex_unlock(&mutex);
    errno = error;
}

void disk_log(enum kind kind, uint32_t file, const char *name, size_t name_size, uint64_t offset, const void *bytes,
              uint64_t count)
{
    uint64_t data = bytes ? count : 0;
    uint64_t size = (sizeof(struct entry) + name_size + data + 7) / 8 * 8;
    uint64_t length = disk->length;
    if (DISK_HEADER + length + size > capacity) {
        fprintf(stderr, "faultydisk: the log is full\n");
        abort();
    }
    struct entry entry = { size, kind, file, name_size, offset, count };
    char *at = (char *)disk + DISK_HEADER + length;
    memcpy(at, &entry, sizeof entry);
    if (name_size)
        memcpy(at + sizeof entry, name, name_size);
    if (data)
        memcpy(at + sizeof entry + name_size, bytes, data);
    __atomic_store_n(&disk->length, length + size, __ATOMIC_SEQ_CST);
    int error = errno;
    if (bell >= 0)
        syscall(SYS_write, bell, "", 1);
    errno = error;
}

int disk_fate(enum kind kind, const char *name)
{
    disk->calls++;
    if (!disk->countdown || !(disk->kinds & 1u << kind) || !strstr(name, disk->match))
        return 0;
    if (disk->countdown > 1) {
        disk->countdown--;
        return 0;
    }
    disk->hits++;
    if (disk->repeats-- <= 1)
        disk->countdown = 0;
    if (disk->error >= 0)
        return disk->error ? -disk->error : 1;
    if (disk->error == -2) {
        struct timespec time = { disk->delay / 1000, disk->delay % 1000 * 1000000L };
        nanosleep(&time, NULL);
        return 0;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, disk->victim);
    if (syscall(SYS_unlinkat, AT_FDCWD, path, 0) == 0)
        disk_log(UNLINKED, 0, disk->victim, strlen(disk->victim), 0, NULL, 0);
    return 0;
}

void disk_look(const char *path)
{
    if (disk && (!path || disk_name(path)))
        __atomic_add_fetch(&disk->looks, 1, __ATOMIC_SEQ_CST);
}

const char *disk_name(const char *path)
{
    size_t size = strlen(folder);
    if (!path || strncmp(path, folder, size) || (path[size] && path[size] != '/'))
        return NULL;
    path += size;
    while (*path == '/')
        path++;
    return strchr(path, '/') ? NULL : path;
}

struct opened *disk_opened(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS && opened[fd].tracked ? &opened[fd] : NULL;
}

struct file *disk_file(uint32_t number)
{
    return &files[number];
}

/* The newest file with this inode. The system uses the number again when the file is gone. */
static uint32_t number_of(ino_t inode)
{
    for (uint32_t number = file_count; number > 0; number--)
        if (files[number].inode == inode)
            return number;
    return 0;
}

static uint32_t add(ino_t inode, const char *name)
{
    if (file_count + 1 >= FILES)
        abort();
    struct file *file = &files[++file_count];
    file->inode = inode;
    snprintf(file->name, sizeof file->name, "%s", name);
    return file_count;
}

/* The name is NULL if the file was not opened by its name. */
void disk_open(int fd, const char *name, int made)
{
    struct stat status;
    if (fd < 0 || fd >= DESCRIPTORS)
        return;
    opened[fd].tracked = 0;
    if (fstat(fd, &status) || status.st_dev != device)
        return;
    uint32_t number = 0;
    if (!S_ISDIR(status.st_mode)) {
        number = made ? 0 : number_of(status.st_ino);
        if (!number) {
            if (!name)
                return;
            number = add(status.st_ino, name);
            disk_log(MADE, number, name, strlen(name), 0, NULL, 0);
        }
    } else if (!name || *name) {
        return;
    }
    opened[fd] = (struct opened){ 1, number, files[number].failed };
}

void disk_rename(const char *from, const char *to)
{
    char names[260];
    int size = snprintf(names, sizeof names, "%s%c%s", from, 0, to);
    for (uint32_t number = file_count; number > 0; number--)
        if (!strcmp(files[number].name, from)) {
            snprintf(files[number].name, sizeof files[number].name, "%s", to);
            break;
        }
    disk_log(RENAMED, 0, names, size, 0, NULL, 0);
}

/* Adds the present file to the log. */
static void take(const char *name)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        void *bytes = status.st_size ? mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
        if (bytes != MAP_FAILED)
            disk_log(THERE, add(status.st_ino, name), name, strlen(name), 0, bytes, status.st_size);
        if (bytes && bytes != MAP_FAILED)
            munmap(bytes, status.st_size);
    }
    syscall(SYS_close, fd);
}

__attribute__((constructor)) static void begin(void)
{
    struct stat status;
    const char *path = getenv("FAULTYDISK");
    folder = getenv("FAULTYDISK_DIR");
    if (!path || !folder || stat(folder, &status))
        return;
    device = status.st_dev;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status))
        return;
    void *base = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (base == MAP_FAILED)
        return;
    capacity = status.st_size;
    disk = base;
    char name[4096];
    snprintf(name, sizeof name, "%s-bell", path);
    bell = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    DIR *list = opendir(folder);
    struct dirent *next;
    while (list && (next = readdir(list)))
        take(next->d_name);
    if (list)
        closedir(list);
}
