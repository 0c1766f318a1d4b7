/* A disk whose power is cut. Preloaded into a process, this writes down everything that the process
 * does to the files below a folder, and ends the process at one of these calls. From the records a
 * test makes what a disk may hold afterwards. The environment says:
 *
 *   POWER_FOLDER  the folder
 *   POWER_LOG     a file for the records
 *   POWER_AT      the number of the call at which the process ends, from 1; 0: at none
 *
 * A record is six numbers of 64 bits in the order of the machine, then the bytes of the name and of
 * the data:
 *
 *   kind    N a name, D a name that is gone, G the begin of names that changed at once, W data,
 *           T a new length, S a sync of a file, F a sync of a folder
 *   file    its inode; of F the folder's
 *   folder  of N and D: the inode of the folder in which the name is, 0 for the folder of all
 *   offset  of W; of T the length; of N whether it is a folder
 *   bytes of the name, bytes of the data
 *
 * Names are found by listing the folder before and after every call, since not all libraries rename by
 * a function that could be preloaded. A file's data are what is read back after the call.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define NAMES 512

struct known { char name[256]; uint64_t inode, folder; int seen; };
static struct known known[NAMES];
static int count_known;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int log_fd = -1;
static long calls;
static __thread int busy;

static const char *folder(void) {
    const char *value = getenv("POWER_FOLDER");
    return value ? value : "";
}

static void put(const void *bytes, size_t length) {
    while (length > 0) {
        ssize_t done = syscall(SYS_write, log_fd, bytes, length);
        if (done <= 0) _exit(98);
        bytes = (const char *)bytes + done;
        length -= (size_t)done;
    }
}

static void record(char kind, uint64_t file, uint64_t in, uint64_t offset, const char *name,
                   const void *data, uint64_t length) {
    uint64_t head[6] = {(uint64_t)kind, file, in, offset, name ? strlen(name) : 0, length};
    put(head, sizeof head);
    if (name) put(name, strlen(name));
    if (data) put(data, length);
}

static void list(const char *path, uint64_t inode) {
    DIR *dir = opendir(path);
    if (!dir) return;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char child[1024];
        struct stat there;
        if (snprintf(child, sizeof child, "%s/%s", path, entry->d_name) >= (int)sizeof child) continue;
        if (lstat(child, &there)) continue;
        struct known *found = NULL;
        for (int i = 0; i < count_known; i++)
            if (!strcmp(known[i].name, entry->d_name) && known[i].inode == there.st_ino &&
                known[i].folder == inode)
                found = &known[i];
        if (!found && count_known < NAMES) {
            found = &known[count_known++];
            strcpy(found->name, entry->d_name);
            found->inode = there.st_ino;
            found->folder = inode;
            record('N', there.st_ino, inode, S_ISDIR(there.st_mode), entry->d_name, NULL, 0);
        }
        if (found) found->seen = 1;
        if (S_ISDIR(there.st_mode)) list(child, there.st_ino);
    }
    closedir(dir);
}

/* Writes down which names are new, and which are gone. */
static void look(void) {
    record('G', 0, 0, 0, NULL, NULL, 0);
    for (int i = 0; i < count_known; i++) known[i].seen = 0;
    list(folder(), 0);
    for (int i = 0; i < count_known;) {
        if (known[i].seen) {
            i++;
            continue;
        }
        record('D', known[i].inode, known[i].folder, 0, known[i].name, NULL, 0);
        known[i] = known[--count_known];
    }
}

/* Whether a descriptor is of a file or folder below the folder. */
static int is_ours(int fd, struct stat *there) {
    char link[64], path[4096];
    if (!*folder() || busy || fstat(fd, there)) return 0;
    if (!S_ISREG(there->st_mode) && !S_ISDIR(there->st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return !strncmp(path, folder(), strlen(folder()));
}

static void enter(void) {
    pthread_mutex_lock(&lock);
    busy++;
    if (log_fd < 0) {
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, getenv("POWER_LOG"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (log_fd < 0) _exit(98);
    }
    look();
}

static void leave(void) {
    look();
    const char *at = getenv("POWER_AT");
    if (++calls == (at ? atol(at) : 0)) _exit(99);
    busy--;
    pthread_mutex_unlock(&lock);
}

static void wrote(int fd, uint64_t inode, off64_t offset, ssize_t length) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    char *data = malloc((size_t)length);
    if (again < 0 || !data) _exit(98);
    ssize_t got = syscall(SYS_pread64, again, data, length, offset);
    syscall(SYS_close, again);
    if (got > 0) record('W', inode, 0, (uint64_t)offset, NULL, data, (uint64_t)got);
    free(data);
}

static off64_t position(int fd) { return lseek64(fd, 0, SEEK_CUR); }

#define WRITE(fd, call, start)                                                                \
    struct stat there;                                                                        \
    if (!is_ours(fd, &there)) return call;                                                    \
    enter();                                                                                  \
    off64_t from = start;                                                                     \
    ssize_t done = call;                                                                      \
    if (done > 0) wrote(fd, there.st_ino, from, done);                                        \
    leave();                                                                                  \
    return done;

ssize_t write(int fd, const void *bytes, size_t length) { WRITE(fd, REAL(write)(fd, bytes, length), position(fd)) }
ssize_t writev(int fd, const struct iovec *parts, int count) { WRITE(fd, REAL(writev)(fd, parts, count), position(fd)) }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    WRITE(fd, REAL(pwrite)(fd, bytes, length, offset), offset)
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    WRITE(fd, REAL(pwrite64)(fd, bytes, length, offset), offset)
}
ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t length, unsigned flags) {
    WRITE(out, REAL(splice)(in, in_offset, out, out_offset, length, flags), out_offset ? *out_offset : position(out))
}
ssize_t copy_file_range(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t length, unsigned flags) {
    WRITE(out, REAL(copy_file_range)(in, in_offset, out, out_offset, length, flags),
          out_offset ? *out_offset : position(out))
}

#define CUT(name, offset_type)                                                                \
    int name(int fd, offset_type length) {                                                    \
        struct stat there;                                                                    \
        if (!is_ours(fd, &there)) return REAL(name)(fd, length);                              \
        enter();                                                                              \
        int done = REAL(name)(fd, length);                                                    \
        if (!done) record('T', there.st_ino, 0, (uint64_t)length, NULL, NULL, 0);             \
        leave();                                                                              \
        return done;                                                                          \
    }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

#define SYNC(name)                                                                            \
    int name(int fd) {                                                                        \
        struct stat there;                                                                    \
        if (!is_ours(fd, &there)) return REAL(name)(fd);                                      \
        enter();                                                                              \
        struct stat top;                                                                      \
        int is_top = !stat(folder(), &top) && top.st_ino == there.st_ino;                     \
        record(S_ISDIR(there.st_mode) ? 'F' : 'S', is_top ? 0 : there.st_ino, 0, 0, NULL, NULL, 0); \
        leave();                                                                              \
        return 0;                                                                             \
    }
SYNC(fsync)
SYNC(fdatasync)
