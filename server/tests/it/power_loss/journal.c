/*
 * Preloaded into the server: notes every write, truncation, rename and removal below a folder, and what was synced when, so that
 * a test can work out which disks could be left when the power goes. C, because the functions that it stands in for are C's;
 * nothing here links into the product.
 *
 * A record is noted before its call and a sync after it, both in the order in which the kernel saw them: what the journal calls
 * synced was synced, and what it has beyond that may be on the disk or not.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct record {
    uint64_t kind, at, path_bytes, data_bytes;
};

enum { WRITE = 1, TRUNCATE = 2, SYNC_BEGUN = 3, SYNC_DONE = 4, RENAME = 5, REMOVE = 6 };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static const char *root;
static uint64_t syncs;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWER_LOSS_JOURNAL");
    root = getenv("POWER_LOSS_ROOT");
    if (path && root)
        journal = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    syncs = (uint64_t)getpid() << 32;
}

static int below_root(const char *path) {
    return journal >= 0 && strncmp(path, root, strlen(root)) == 0;
}

/* The path of an open file, when it is one of ours. */
static int path_of(int fd, char *path) {
    char link[32];
    if (journal < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return below_root(path);
}

static void note(uint64_t kind, uint64_t at, const char *path, const void *data, size_t bytes) {
    struct record head = {kind, at, strlen(path), bytes};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path_bytes}, {(void *)data, bytes}};
    if (syscall(SYS_writev, journal, parts, 3) != (long)(sizeof head + head.path_bytes + bytes))
        abort();
}

static void note_alone(uint64_t kind, uint64_t at, const char *path) {
    pthread_mutex_lock(&turn);
    note(kind, at, path, "", 0);
    pthread_mutex_unlock(&turn);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) {
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return syscall(SYS_pwrite64, fd, data, bytes, at);
    pthread_mutex_lock(&turn);
    note(WRITE, at, path, data, bytes);
    ssize_t written = syscall(SYS_pwrite64, fd, data, bytes, at);
    pthread_mutex_unlock(&turn);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) {
    return pwrite64(fd, data, bytes, at);
}

ssize_t write(int fd, const void *data, size_t bytes) {
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return syscall(SYS_write, fd, data, bytes);
    pthread_mutex_lock(&turn);
    int appends = syscall(SYS_fcntl, fd, F_GETFL, 0) & O_APPEND;
    note(WRITE, syscall(SYS_lseek, fd, 0, appends ? SEEK_END : SEEK_CUR), path, data, bytes);
    ssize_t written = syscall(SYS_write, fd, data, bytes);
    pthread_mutex_unlock(&turn);
    return written;
}

int ftruncate64(int fd, off64_t bytes) {
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return syscall(SYS_ftruncate, fd, bytes);
    pthread_mutex_lock(&turn);
    note(TRUNCATE, bytes, path, "", 0);
    int done = syscall(SYS_ftruncate, fd, bytes);
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate(int fd, off_t bytes) {
    return ftruncate64(fd, bytes);
}

static int synced(int fd, long call) {
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return syscall(call, fd);
    uint64_t number = __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
    note_alone(SYNC_BEGUN, number, path);
    int done = syscall(call, fd);
    if (done == 0)
        note_alone(SYNC_DONE, number, path);
    return done;
}

int fsync(int fd) {
    return synced(fd, SYS_fsync);
}

int fdatasync(int fd) {
    return synced(fd, SYS_fdatasync);
}

int rename(const char *from, const char *to) {
    if (!below_root(from))
        return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    pthread_mutex_lock(&turn);
    note(RENAME, 0, from, to, strlen(to));
    int done = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    pthread_mutex_unlock(&turn);
    return done;
}

int unlink(const char *path) {
    if (!below_root(path))
        return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&turn);
    note(REMOVE, 0, path, "", 0);
    int done = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_unlock(&turn);
    return done;
}
