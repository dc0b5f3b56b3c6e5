/* A bad disk under grantd's database: a library to preload into the server (LD_PRELOAD).
 *
 * Owns: failing writes, short writes, torn writes and failing syncs of files named *.db and *.db-wal, and a journal
 * of what was written but not yet synced, out of which the harness makes a power cut.
 * Leaves alone every other file, and reads: what the server reads is what it wrote.
 *
 *   FAULTS_CONTROL=FILE   which faults happen, and how often; may be changed while the server runs. See `struct control`.
 *   FAULTS_JOURNAL=FILE   where to keep the journal; none is kept without it.
 *
 * cc -shared -fPIC -O2 -o faults.so faults.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum fault { WRITE_EIO, WRITE_ENOSPC, WRITE_SHORT, WRITE_TORN, SYNC_EIO, TRUNCATE_EIO, FAULTS };

/* The control file, mapped: eight little-endian words, then a count of the faults that happened, by kind. */
struct control {
    uint32_t enabled; /* a bit for each kind of fault */
    uint32_t one_in;  /* of so many calls one fails; 1: every one */
    uint32_t seed;
    uint32_t reserved[5];
    uint32_t happened[FAULTS];
};

/* An entry of the journal; `before` bytes and `after` bytes follow it. */
struct entry {
    uint32_t kind; /* 1 write, 2 truncate, 3 sync */
    uint32_t before, after;
    uint32_t reserved;
    uint64_t offset; /* of a truncate: the new size */
    uint64_t size;   /* of the file before */
    char path[256];
};

static struct control *control;
static int journal = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static uint64_t state;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off_t);

__attribute__((constructor)) static void start(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    const char *path = getenv("FAULTS_CONTROL");
    if (path) {
        int fd = open(path, O_RDWR);
        void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) { perror(path); _exit(99); }
        control = map;
        close(fd);
        state = control->seed * 2654435761u + 88172645463325252ull;
    }
    path = getenv("FAULTS_JOURNAL");
    if (path && (journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0) { perror(path); _exit(99); }
}

/* The path of a file of the database; 0 for any other. */
static int is_database(int fd, char path[256]) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 255);
    if (length <= 0) return 0;
    path[length] = 0;
    return (length > 3 && !strcmp(path + length - 3, ".db")) || (length > 7 && !strcmp(path + length - 7, ".db-wal"));
}

/* Whether this call is one that fails so. Called with `turn` held. */
static int happens(enum fault fault) {
    if (!control || !(control->enabled & 1u << fault)) return 0;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17; /* xorshift64 */
    if (control->one_in > 1 && (state >> 33) % control->one_in) return 0;
    control->happened[fault]++;
    return 1;
}

static void note(uint32_t kind, int fd, const char *path, uint64_t offset, const void *bytes, size_t length) {
    if (journal < 0) return;
    struct stat meta;
    if (fstat(fd, &meta)) abort();
    struct entry entry = {.kind = kind, .after = kind == 1 ? length : 0, .offset = offset, .size = meta.st_size};
    strncpy(entry.path, path, sizeof entry.path - 1);
    /* What the call will overwrite, or cut off. */
    size_t end = kind == 1 ? offset + length : entry.size;
    if (end > entry.size) end = entry.size;
    entry.before = kind != 3 && end > offset ? end - offset : 0;
    size_t total = sizeof entry + entry.before + entry.after;
    char *all = malloc(total);
    if (!all) abort();
    memcpy(all, &entry, sizeof entry);
    if (entry.before && pread(fd, all + sizeof entry, entry.before, offset) != (ssize_t)entry.before) abort();
    if (entry.after) memcpy(all + sizeof entry + entry.before, bytes, entry.after);
    if (write(journal, all, total) != (ssize_t)total) abort(); /* in one piece: a kill leaves it whole or out */
    free(all);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    char path[256];
    if (!is_database(fd, path)) return real_pwrite(fd, bytes, length, offset);
    pthread_mutex_lock(&turn);
    int error = 0;
    size_t written = length;
    if (happens(WRITE_ENOSPC)) error = ENOSPC;
    else if (happens(WRITE_EIO)) error = EIO;
    else if (length > 1 && happens(WRITE_TORN)) { error = EIO; written = length / 2; }
    else if (length > 1 && happens(WRITE_SHORT)) written = length / 2;
    ssize_t answer = -1;
    if (!error || written < length) {
        note(1, fd, path, offset, bytes, written);
        answer = real_pwrite(fd, bytes, written, offset);
    }
    pthread_mutex_unlock(&turn);
    if (error) { errno = error; return -1; }
    return answer;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

int ftruncate64(int fd, off_t length) {
    char path[256];
    if (!is_database(fd, path)) return real_ftruncate(fd, length);
    pthread_mutex_lock(&turn);
    int answer = -1, fails = happens(TRUNCATE_EIO);
    if (!fails) {
        note(2, fd, path, length, NULL, 0);
        answer = real_ftruncate(fd, length);
    }
    pthread_mutex_unlock(&turn);
    if (fails) errno = EIO;
    return answer;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_with(int (*real)(int), int fd) {
    char path[256];
    if (!is_database(fd, path)) return real(fd);
    pthread_mutex_lock(&turn);
    int answer = -1, fails = happens(SYNC_EIO);
    if (!fails) {
        answer = real(fd);
        if (!answer) note(3, fd, path, 0, NULL, 0);
    }
    pthread_mutex_unlock(&turn);
    if (fails) errno = EIO;
    return answer;
}

int fsync(int fd) { return sync_with(real_fsync, fd); }

int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }
