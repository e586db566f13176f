// SPDX-License-Identifier: Apache-2.0
// The functions of the C library that a daemon calls for things that only a Xen host has.
#include "fakexen.h"

/* A file with one number of the version of Xen. */
static int version_number(const char *which)
{
    const char *version = getenv("FAKEXEN_VERSION"), *dot;
    if (!version)
        version = "4.17";
    dot = strchr(version, '.');
    if (!dot || (strcmp(which, "major") && strcmp(which, "minor"))) {
        errno = ENOENT;
        return -1;
    }
    int fd = memfd_create("version", MFD_CLOEXEC);
    dprintf(fd, "%d\n", atoi(strcmp(which, "major") ? dot + 1 : version));
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static int redirected_open(const char *path, int flags, mode_t mode)
{
    char buf[256];
    if (path && !strcmp(path, "/proc/xen/xsd_kva")) {
        TRACE("open_xsd_kva");
        make_dom0();
        path = in_dom(buf, sizeof buf, local_domain(), "page");
    } else if (path && !strcmp(path, "/proc/xen/xsd_port")) {
        TRACE("open_xsd_port");
        make_dom0();
        path = in_dom(buf, sizeof buf, local_domain(), "xsd_port");
    } else if (path && !strncmp(path, "/sys/hypervisor/version/", 24)) {
        return version_number(path + 24);
    } else if (path && !strcmp(path, "/proc/xen/capabilities")) {
        snprintf(buf, sizeof buf, "%s/capabilities", world());
        int fd = real_open(buf, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            if (write(fd, "control_d\n", 10) != 10)
                unlinkat(AT_FDCWD, buf, 0);
            close(fd);
        }
        path = buf;
    }
    return real_open(path, flags, mode);
}

static mode_t mode_arg(int flags, va_list ap)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t m = mode_arg(flags, ap);
    va_end(ap);
    return redirected_open(path, flags, m);
}

EXPORT int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t m = mode_arg(flags, ap);
    va_end(ap);
    return redirected_open(path, flags, m);
}

static const char *socket_from(void)
{
    const char *f = getenv("FAKEXEN_SOCKET_FROM");
    return f ? f : "/var/run/xenstored/socket";
}

static int is_socket_path(const char *p)
{
    return getenv("FAKEXEN_SOCKET") && p && !strcmp(p, socket_from());
}

EXPORT int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    if (!real)
        real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    if (sa && sa->sa_family == AF_UNIX && is_socket_path(((const struct sockaddr_un *)sa)->sun_path)) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        snprintf(to.sun_path, sizeof to.sun_path, "%s", getenv("FAKEXEN_SOCKET"));
        return real(fd, (struct sockaddr *)&to, sizeof to);
    }
    return real(fd, sa, len);
}

EXPORT int unlink(const char *path)
{
    if (is_socket_path(path))
        path = getenv("FAKEXEN_SOCKET");
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int setrlimit(__rlimit_resource_t what, const struct rlimit *r)
{
    if (prlimit(0, what, r, NULL) == 0)
        return 0;
    TRACE("setrlimit resource=%d failed: %s", (int)what, strerror(errno));
    if (errno != EPERM || what != RLIMIT_NOFILE)
        return -1;
    struct rlimit have;
    if (getrlimit(what, &have))
        return -1;
    have.rlim_cur = have.rlim_max;
    return prlimit(0, what, &have, NULL);
}

/*
 * A daemon loads Xen's stable libraries when it runs. It gets this one, so it runs where they are not installed, and a
 * test says which of them are there. Anything else is loaded as usual, such as the glue for libxenctrl, whose calls come
 * here.
 */
EXPORT void *dlopen(const char *name, int flags)
{
    static void *(*real)(const char *, int);
    Dl_info self;
    const char *missing = getenv("FAKEXEN_WITHOUT");
    if (!real)
        real = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    if (!name || strncmp(name, "libxen", 6))
        return real(name, flags);
    int is_missing = missing && strstr(missing, name);
    if (!strncmp(name, "libxenmanage.", 13) && !getenv("FAKEXEN_MANAGE"))
        is_missing = 1;
    TRACE("dlopen %s%s", name, is_missing ? " fails" : "");
    if (is_missing || !dladdr((void *)version_number, &self)) {
        char none[100];
        snprintf(none, sizeof none, "%s (not in this simulation)", name);
        return real(none, flags);
    }
    return real(self.dli_fname, flags);
}
