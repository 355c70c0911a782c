/* Loaded before the C library (LD_PRELOAD), this writes down what a program does to the files of one directory: what it
 * writes, cuts off, flushes, makes and removes, in the order in which it happened. `disk.rs` reads it.
 *
 * TALLYBOOK_DISK is the directory, TALLYBOOK_DISK_TRACE the file to write into, outside of it. While the directory has a
 * file `fail-flush`, the next flush of a log (`…-wal`) fails and removes it; while it has `slow-flush`, flushes take some
 * milliseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
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

enum kind { OPENED = 1, WRITTEN, CUT, FLUSH_BEGAN, FLUSHED, FLUSH_FAILED, REMOVED };

#define MAX_FILES 4096
#define SLOW_MICROSECONDS 5000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[2048];
static int trace = -1;
static uint64_t flushes;
/* The inode of a traced file by its descriptor, and whether it is a log. */
static uint64_t inodes[MAX_FILES];
static int is_log[MAX_FILES];

__attribute__((constructor)) static void begin(void) {
    const char *of = getenv("TALLYBOOK_DISK"), *into = getenv("TALLYBOOK_DISK_TRACE");
    if (!of || !into || strlen(of) >= sizeof directory) return;
    strcpy(directory, of);
    trace = syscall(SYS_openat, AT_FDCWD, into, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Called with the lock held. */
static void note(enum kind kind, uint64_t file, uint64_t number, const void *data, uint64_t length) {
    uint64_t header[4] = {kind, file, number, length};
    struct iovec parts[2] = {{header, sizeof header}, {(void *)data, length}};
    int before = errno;
    if (syscall(SYS_writev, trace, parts, length ? 2 : 1) != (long)(sizeof header + length)) {
        fprintf(stderr, "the trace of the disk can't be written\n");
        abort();
    }
    errno = before;
}

static int is_traced(int file) { return trace >= 0 && file >= 0 && file < MAX_FILES && inodes[file]; }

static int is_inside(const char *path) {
    size_t length = strlen(directory);
    return trace >= 0 && !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

static int has(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return !syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
}

static void forget(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static int open_traced(int at, const char *path, int flags, mode_t mode) {
    if (!is_inside(path)) return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int is_new = (flags & O_CREAT) && syscall(SYS_faccessat, at, path, F_OK);
    int file = syscall(SYS_openat, at, path, flags, mode);
    struct stat found;
    if (file >= 0 && file < MAX_FILES && !(flags & O_PATH) && !fstat(file, &found)) {
        size_t length = strlen(path);
        inodes[file] = found.st_ino;
        is_log[file] = length > 4 && !strcmp(path + length - 4, "-wal");
        note(OPENED, found.st_ino, is_new, path, length);
        if (flags & O_TRUNC) note(CUT, found.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return file;
}

#define MODE(flags, mode)                          \
    mode_t mode = 0;                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {         \
        va_list rest;                              \
        va_start(rest, flags);                     \
        mode = va_arg(rest, mode_t);               \
        va_end(rest);                              \
    }

int open(const char *path, int flags, ...) { MODE(flags, mode) return open_traced(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return open_traced(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags, mode) return open_traced(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags, mode) return open_traced(at, path, flags, mode); }

int close(int file) {
    if (file >= 0 && file < MAX_FILES) inodes[file] = 0;
    return syscall(SYS_close, file);
}

/* Writing and its note are one step, so that the notes are in the order of the writes. */
static ssize_t write_traced(int file, const void *data, size_t length, off64_t offset) {
    pthread_mutex_lock(&lock);
    off64_t at = offset >= 0 ? offset : lseek64(file, 0, SEEK_CUR);
    ssize_t written = offset >= 0 ? syscall(SYS_pwrite64, file, data, length, offset)
                                  : syscall(SYS_write, file, data, length);
    if (written > 0) note(WRITTEN, inodes[file], offset < 0 ? lseek64(file, 0, SEEK_CUR) - written : at, data, written);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t write(int file, const void *data, size_t length) {
    return is_traced(file) ? write_traced(file, data, length, -1) : syscall(SYS_write, file, data, length);
}
ssize_t pwrite(int file, const void *data, size_t length, off_t offset) {
    return is_traced(file) ? write_traced(file, data, length, offset)
                           : syscall(SYS_pwrite64, file, data, length, offset);
}
ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) { return pwrite(file, data, length, offset); }

int ftruncate(int file, off_t length) {
    if (!is_traced(file)) return syscall(SYS_ftruncate, file, length);
    pthread_mutex_lock(&lock);
    int outcome = syscall(SYS_ftruncate, file, length);
    if (!outcome) note(CUT, inodes[file], length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return outcome;
}
int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }

static int flush(int file, long call) {
    if (!is_traced(file)) return syscall(call, file);
    pthread_mutex_lock(&lock);
    uint64_t number = ++flushes, inode = inodes[file];
    note(FLUSH_BEGAN, inode, number, NULL, 0);
    int fails = is_log[file] && has("fail-flush");
    if (fails) forget("fail-flush");
    pthread_mutex_unlock(&lock);
    if (has("slow-flush")) usleep(SLOW_MICROSECONDS);
    int outcome = fails ? -1 : syscall(call, file);
    if (fails) errno = EIO;
    pthread_mutex_lock(&lock);
    note(outcome ? FLUSH_FAILED : FLUSHED, inode, number, NULL, 0);
    pthread_mutex_unlock(&lock);
    return outcome;
}
int fsync(int file) { return flush(file, SYS_fsync); }
int fdatasync(int file) { return flush(file, SYS_fdatasync); }

int unlink(const char *path) {
    if (!is_inside(path)) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&lock);
    int outcome = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!outcome) note(REMOVED, 0, 0, path, strlen(path));
    pthread_mutex_unlock(&lock);
    return outcome;
}
