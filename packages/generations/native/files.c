#include "holdfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h> /* renameat2 */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define RANGES_MAX 1000000u
#define XATTR_BYTES_MAX 65536 /* the kernel's own bound, of one value and of one list of names */
#define NSEC_PER_SEC 1000000000u

enum attribute_flag { SET_OWNER = 1, SET_MODE = 2, SET_MTIME = 4 };

int open_directory(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

/* Entry names only: a name with a slash would leave its directory. */
static bool is_entry_name(const char *name) {
  return name[0] != 0 && strchr(name, '/') == NULL && strcmp(name, "..") != 0;
}

/* Makes `path` the working directory, so that names in it need no path. leave_directory undoes it. */
static int enter_directory(const char *path) {
  int fd = open_directory(path);
  if (fd < 0) return -1;
  int entered = fchdir(fd);
  int kept = errno;
  close(fd);
  errno = kept;
  return entered;
}

static void leave_directory(void) {
  if (chdir("/") != 0) errno = 0;
}

int op_syncfs(struct request *request, struct reply *reply) {
  const char *path = take_string(request);
  take_end(request);
  int fd = open_directory(path);
  if (fd < 0) return failed(reply, "open");
  int error = syncfs(fd) == 0 ? 0 : failed(reply, "syncfs");
  close(fd);
  return error;
}

/* Appends u32 0, u32 count, count x (name, value) of the user.* attributes; or u32 errno. */
static void put_xattrs(struct reply *reply, const char *name) {
  static char list[XATTR_BYTES_MAX], value[XATTR_BYTES_MAX];
  errno = EINVAL;
  ssize_t length = is_entry_name(name) ? llistxattr(name, list, sizeof list) : -1;
  if (length < 0 && errno != EOPNOTSUPP) {
    put_u32(reply, (uint32_t)errno);
    return;
  }
  size_t start = reply->length;
  uint32_t count = 0;
  put_u32(reply, 0);
  put_u32(reply, 0);
  for (ssize_t at = 0; at < length; at += (ssize_t)strlen(list + at) + 1) {
    if (strncmp(list + at, "user.", 5) != 0) continue;
    ssize_t size = lgetxattr(name, list + at, value, sizeof value);
    if (size < 0 && errno == ENODATA) continue; /* removed since it was listed */
    if (size < 0) {
      reply->length = start;
      put_u32(reply, (uint32_t)errno);
      return;
    }
    put_sized(reply, list + at, strlen(list + at));
    put_sized(reply, value, (size_t)size);
    count++;
  }
  if (!reply->overflow) memcpy(reply->bytes + start + 4, &count, 4);
}

int op_read_xattrs(struct request *request, struct reply *reply) {
  const char *directory = take_string(request);
  uint32_t count = take_u32(request);
  if (enter_directory(directory) != 0) return failed(reply, "open");
  put_u32(reply, count);
  for (uint32_t i = 0; i < count; i++) put_xattrs(reply, take_string(request));
  leave_directory();
  take_end(request);
  return 0;
}

/* Appends u64 size, u32 count, count x (u64 offset, u64 length). */
static int put_ranges(struct reply *reply, int fd, off_t size) {
  uint32_t count = 0;
  put_u64(reply, (uint64_t)size);
  size_t count_at = reply->length;
  put_u32(reply, 0);
  for (off_t at = 0; at < size;) {
    off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) return failed(reply, "lseek");
    if (data >= size) break;
    off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0 && errno == ENXIO) break; /* truncated meanwhile */
    if (hole < 0) return failed(reply, "lseek");
    at = hole < size ? hole : size;
    if (count++ == RANGES_MAX) {
      errno = E2BIG;
      return failed(reply, "ranges");
    }
    put_u64(reply, (uint64_t)data);
    put_u64(reply, (uint64_t)(at - data));
  }
  if (!reply->overflow) memcpy(reply->bytes + count_at, &count, 4);
  return 0;
}

int op_data_ranges(struct request *request, struct reply *reply) {
  const char *path = take_string(request);
  take_end(request);
  struct stat status;
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return failed(reply, "open");
  int error;
  if (fstat(fd, &status) != 0) {
    error = failed(reply, "stat");
  } else if (!S_ISREG(status.st_mode)) {
    errno = EINVAL;
    error = failed(reply, "not a regular file");
  } else {
    error = put_ranges(reply, fd, status.st_size);
  }
  close(fd);
  return error;
}

/* Like chmod, but never through a symlink. */
static int chmod_nofollow(const char *name, mode_t mode) {
  if (syscall(SYS_fchmodat2, AT_FDCWD, name, mode, AT_SYMLINK_NOFOLLOW) == 0) return 0;
  return errno == ENOSYS ? fchmodat(AT_FDCWD, name, mode, AT_SYMLINK_NOFOLLOW) : -1;
}

struct batch {
  struct reply *reply;
  uint32_t index; /* of the entry, through the whole batch */
  uint32_t failures;
  int unopened; /* the errno that opening the present directory gave, else 0 */
};

static void put_attribute_failure(struct batch *batch, const char *step) {
  put_u32(batch->reply, batch->index);
  put_u32(batch->reply, (uint32_t)errno);
  put_sized(batch->reply, step, strlen(step));
  batch->failures++;
}

/*
 * Reads one entry and applies it to `name` in the working directory. The order matters: chown clears the set-id
 * bits, so the mode follows it; a read-only mode refuses attributes to a plain user, so these precede it.
 */
static void apply_entry(struct request *request, struct batch *batch) {
  const char *name = take_string(request);
  uint8_t flags = take_u8(request);
  uint32_t mode = take_u32(request), uid = take_u32(request), gid = take_u32(request);
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)take_u64(request)}};
  uint32_t nsec = take_u32(request);
  uint32_t xattrs = take_u32(request);
  bool valid = is_entry_name(name) && nsec < NSEC_PER_SEC;
  bool usable = valid && batch->unopened == 0;
  times[1].tv_nsec = (long)nsec;
  if (!usable) {
    errno = valid ? batch->unopened : EINVAL;
    put_attribute_failure(batch, valid ? "open" : "entry");
  }
  if (usable && (flags & SET_OWNER) && fchownat(AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
    put_attribute_failure(batch, "chown");
    mode &= ~(uint32_t)(S_ISUID | S_ISGID); /* never set-id for an owner it was not meant for */
  }
  for (uint32_t i = 0; i < xattrs; i++) {
    uint32_t length;
    const char *xattr = take_string(request);
    const uint8_t *value = take_bytes(request, &length);
    if (usable && lsetxattr(name, xattr, value, length, 0) != 0)
      put_attribute_failure(batch, "setxattr");
  }
  if (usable && (flags & SET_MODE) && chmod_nofollow(name, mode & 07777) != 0)
    put_attribute_failure(batch, "chmod");
  if (usable && (flags & SET_MTIME) && utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW) != 0)
    put_attribute_failure(batch, "utimens");
}

/* A directory that cannot be opened fails each of its entries; the others are applied. */
int op_apply_attributes(struct request *request, struct reply *reply) {
  struct batch batch = {.reply = reply};
  uint32_t directories = take_u32(request);
  size_t count_at = reply->length;
  put_u32(reply, 0);
  for (uint32_t d = 0; d < directories; d++) {
    const char *directory = take_string(request);
    uint32_t entries = take_u32(request);
    batch.unopened = enter_directory(directory) == 0 ? 0 : errno;
    for (uint32_t e = 0; e < entries; e++, batch.index++) apply_entry(request, &batch);
    leave_directory();
  }
  take_end(request);
  if (!reply->overflow) memcpy(reply->bytes + count_at, &batch.failures, 4);
  return 0;
}

int op_exchange(struct request *request, struct reply *reply) {
  const char *directory = take_string(request), *a = take_string(request), *b = take_string(request);
  take_end(request);
  int fd = open_directory(directory);
  if (fd < 0) return failed(reply, "open");
  int error = renameat2(fd, a, fd, b, RENAME_EXCHANGE) == 0 ? 0 : failed(reply, "renameat2");
  close(fd);
  return error;
}

int op_reflink(struct request *request, struct reply *reply) {
  const char *source = take_string(request), *target = take_string(request);
  take_end(request);
  int from = open(source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (from < 0) return failed(reply, "open");
  int error = 0;
  int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (to < 0) error = failed(reply, "create");
  if (to >= 0 && ioctl(to, FICLONE, from) != 0) {
    error = failed(reply, "reflink");
    unlink(target);
  }
  if (to >= 0 && close(to) != 0 && error == 0) error = failed(reply, "close");
  close(from);
  return error;
}
