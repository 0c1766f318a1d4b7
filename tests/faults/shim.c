/* A disk that fails when it is told to. Preloaded into a process, this counts its calls
 * on files and strikes one of them. The environment says which and how:
 *
 *   FAULT_CALLS  any of read, pages, write, sync, open, unlink, truncate, separated by
 *                commas; pages are read into a pipe
 *   FAULT_PATH   a part of the path of the files that count
 *   FAULT_AT     the number of the call that is struck, from 1; 0 strikes none
 *   FAULT_DO     an error's number, given to that call; or
 *                short      every call transfers half of what was asked for
 *                interrupt  every other call is interrupted
 *                touch      the file's time is changed, the call goes on
 *                halve      the file is cut in half, the call goes on
 *                replace    the file at FAULT_WITH takes the file's name, the call goes on
 *                mkdir      a folder appears at FAULT_WITH, the call goes on
 *   FAULT_THREADS  how many threads there may be beside the first
 *   FAULT_COUNT  a file for the number of calls, written at the end
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;

enum verdict { PASS, FAIL, SHORT };

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int counts(const char *call, const char *path) {
    return path && *setting("FAULT_PATH") && strstr(setting("FAULT_CALLS"), call) &&
           strstr(path, setting("FAULT_PATH"));
}

static enum verdict judge(const char *call, const char *path) {
    if (!counts(call, path)) return PASS;
    long number = atomic_fetch_add(&calls, 1) + 1;
    const char *what = setting("FAULT_DO");
    if (!strcmp(what, "short")) return SHORT;
    if (!strcmp(what, "interrupt")) {
        errno = EINTR;
        return number % 2 ? FAIL : PASS;
    }
    if (number != atol(setting("FAULT_AT"))) return PASS;
    if (!strcmp(what, "touch")) {
        struct timespec later[2];
        clock_gettime(CLOCK_REALTIME, &later[0]);
        later[0].tv_sec += 100;
        later[1] = later[0];
        utimensat(AT_FDCWD, path, later, 0);
    } else if (!strcmp(what, "halve")) {
        struct stat there;
        if (!stat(path, &there)) syscall(SYS_truncate, path, there.st_size / 2);
    } else if (!strcmp(what, "replace")) {
        rename(setting("FAULT_WITH"), path);
    } else if (!strcmp(what, "mkdir")) {
        mkdir(setting("FAULT_WITH"), 0777);
    } else {
        errno = atoi(what);
        return FAIL;
    }
    return PASS;
}

static enum verdict judge_path(const char *call, const char *path) {
    char whole[8192];
    if (!path || *path == '/') return judge(call, path);
    int saved = errno;
    char *folder = getcwd(whole, 4096);
    errno = saved;
    if (!folder || strlen(path) > 4000) return PASS;
    strcat(strcat(whole, "/"), path);
    return judge(call, whole);
}

static enum verdict judge_fd(const char *call, int fd) {
    char link[64], path[4096];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0) return PASS;
    path[length] = 0;
    return judge(call, path);
}

static size_t half(size_t length) { return length > 1 ? length / 2 : length; }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define TRANSFER(name, kind, buffer_type)                                                     \
    ssize_t name(int fd, buffer_type buffer, size_t length) {                                 \
        enum verdict verdict = judge_fd(kind, fd);                                            \
        if (verdict == FAIL) return -1;                                                       \
        return REAL(name)(fd, buffer, verdict == SHORT ? half(length) : length);              \
    }
TRANSFER(read, "read", void *)
TRANSFER(write, "write", const void *)

#define TRANSFER_AT(name, kind, buffer_type, offset_type)                                     \
    ssize_t name(int fd, buffer_type buffer, size_t length, offset_type offset) {             \
        enum verdict verdict = judge_fd(kind, fd);                                            \
        if (verdict == FAIL) return -1;                                                       \
        return REAL(name)(fd, buffer, verdict == SHORT ? half(length) : length, offset);      \
    }
TRANSFER_AT(pread, "read", void *, off_t)
TRANSFER_AT(pread64, "read", void *, off64_t)
TRANSFER_AT(pwrite, "write", const void *, off_t)
TRANSFER_AT(pwrite64, "write", const void *, off64_t)

#define VECTOR(name, kind)                                                                    \
    ssize_t name(int fd, const struct iovec *parts, int count) {                              \
        enum verdict verdict = judge_fd(kind, fd);                                            \
        if (verdict == FAIL) return -1;                                                       \
        return REAL(name)(fd, parts, verdict == SHORT ? (int)half((size_t)count) : count);    \
    }
VECTOR(readv, "read")
VECTOR(writev, "write")

ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t length,
               unsigned flags) {
    enum verdict verdict = judge_fd("pages", in);
    if (verdict == PASS) verdict = judge_fd("write", out);
    if (verdict == FAIL) return -1;
    return REAL(splice)(in, in_offset, out, out_offset, verdict == SHORT ? half(length) : length, flags);
}

#define ON_FD(name, kind)                                                                     \
    int name(int fd) { return judge_fd(kind, fd) == FAIL ? -1 : REAL(name)(fd); }
ON_FD(fsync, "sync")
ON_FD(fdatasync, "sync")

#define CUT(name, offset_type)                                                                \
    int name(int fd, offset_type length) {                                                    \
        return judge_fd("truncate", fd) == FAIL ? -1 : REAL(name)(fd, length);                \
    }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

#define OPEN(name)                                                                            \
    int name(const char *path, int flags, ...) {                                              \
        va_list rest;                                                                         \
        va_start(rest, flags);                                                                \
        mode_t mode = va_arg(rest, mode_t);                                                   \
        va_end(rest);                                                                         \
        return judge_path("open", path) == FAIL ? -1 : REAL(name)(path, flags, mode);              \
    }
OPEN(open)
OPEN(open64)

static atomic_long alive;

struct work {
    void *(*run)(void *);
    void *with;
};

static void *run_counted(void *given) {
    struct work work = *(struct work *)given;
    free(given);
    void *done = work.run(work.with);
    atomic_fetch_sub(&alive, 1);
    return done;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *with) {
    const char *most = getenv("FAULT_THREADS");
    if (!most) return REAL(pthread_create)(thread, attributes, run, with);
    struct work *work = malloc(sizeof *work);
    if (!work || atomic_fetch_add(&alive, 1) >= atol(most)) {
        atomic_fetch_sub(&alive, 1);
        free(work);
        return EAGAIN;
    }
    *work = (struct work){run, with};
    return REAL(pthread_create)(thread, attributes, run_counted, work);
}

int unlink(const char *path) { return judge_path("unlink", path) == FAIL ? -1 : REAL(unlink)(path); }

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("FAULT_COUNT");
    if (!path) return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld", atomic_load(&calls));
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0) syscall(SYS_write, fd, text, length);
}
