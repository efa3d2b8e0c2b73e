#include "holdfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLY_BYTES_TARGET (4u << 20) /* what is asked for beyond it waits for another request */
#define STUB_INODE 2                  /* of an empty directory that stands for another subvolume in a snapshot */

/* The names of one directory, in the order of their bytes. The room is kept for the next one. */
static struct {
  char *bytes;
  size_t length, capacity;
  size_t *offsets; /* of each name in `bytes` */
  size_t count, offsets_capacity;
} listed;

/* `room` with place for `needed` bytes, moved perhaps; NULL: there is no memory, and `room` is as it was. */
static void *with_room(void *room, size_t *capacity, size_t needed) {
  if (needed <= *capacity) return room;
  void *grown = realloc(room, needed * 2);
  if (grown != NULL) *capacity = needed * 2;
  return grown;
}

static bool add_name(const char *name) {
  size_t size = strlen(name) + 1;
  char *bytes = with_room(listed.bytes, &listed.capacity, listed.length + size);
  if (bytes == NULL) return false;
  listed.bytes = bytes;
  size_t *offsets =
      with_room(listed.offsets, &listed.offsets_capacity, (listed.count + 1) * sizeof *listed.offsets);
  if (offsets == NULL) return false;
  listed.offsets = offsets;
  memcpy(listed.bytes + listed.length, name, size);
  listed.offsets[listed.count++] = listed.length;
  listed.length += size;
  return true;
}

static const char *name_at(size_t index) { return listed.bytes + listed.offsets[index]; }

static int by_bytes(const void *a, const void *b) {
  return strcmp(listed.bytes + *(const size_t *)a, listed.bytes + *(const size_t *)b);
}

static int list_names(DIR *directory) {
  listed.length = listed.count = 0;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL; errno = 0) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if (!add_name(name)) return ENOMEM;
  }
  if (errno != 0) return errno;
  if (listed.count > 0) qsort(listed.offsets, listed.count, sizeof *listed.offsets, by_bytes);
  return 0;
}

/* As the runtime computes milliseconds: build.sh keeps the compiler from fusing the two operations. */
static double milliseconds(struct timespec time) {
  return (double)time.tv_sec * 1000 + (double)time.tv_nsec / 1000000;
}

static bool is_entered(const struct stat *status) {
  bool is_stub = status->st_ino == STUB_INODE && status->st_nlink == 1 && status->st_size == 0;
  return S_ISDIR(status->st_mode) && !is_stub;
}

/*
 * Appends the stat fields of the listed names, forgetting names that have gone, and leaves in `entered` which of them
 * are directories to enter.
 */
static int put_stats(struct reply *reply, int fd, bool *entered) {
  size_t start = reply->length, kept = 0;
  put_u32(reply, 0);
  for (size_t i = 0; i < listed.count; i++) {
    struct stat status;
    if (fstatat(fd, name_at(i), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return errno;
    }
    double fields[4] = {(double)status.st_ino, (double)status.st_size, milliseconds(status.st_mtim),
                        milliseconds(status.st_ctim)};
    put_bytes(reply, fields, sizeof fields);
    entered[kept] = is_entered(&status);
    listed.offsets[kept++] = listed.offsets[i];
  }
  listed.count = kept;
  uint32_t bytes = (uint32_t)(reply->length - start - 4);
  if (!reply->overflow) memcpy(reply->bytes + start, &bytes, 4);
  return 0;
}

static void put_names(struct reply *reply, const bool *entered) {
  size_t start = reply->length;
  uint32_t bytes = 0, directories = 0;
  put_u32(reply, 0);
  for (size_t i = 0; i < listed.count; i++) {
    if (i > 0) put_u8(reply, '/');
    put_bytes(reply, name_at(i), strlen(name_at(i)));
    directories += entered[i];
  }
  bytes = (uint32_t)(reply->length - start - 4);
  if (!reply->overflow) memcpy(reply->bytes + start, &bytes, 4);
  put_u32(reply, directories);
  for (size_t i = 0; i < listed.count; i++)
    if (entered[i]) put_sized(reply, name_at(i), strlen(name_at(i)));
}

static int put_listing(struct reply *reply, const char *path) {
  int fd = open_directory(path);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  int error = directory == NULL ? errno : list_names(directory);
  bool *entered = error == 0 ? malloc(listed.count + 1) : NULL;
  if (error == 0 && entered == NULL) error = ENOMEM;
  put_u32(reply, 0);
  if (error == 0) error = put_stats(reply, fd, entered);
  if (error == 0) put_names(reply, entered);
  free(entered);
  if (directory != NULL) closedir(directory);
  else if (fd >= 0) close(fd);
  return error;
}

/*
 * Appends u32 count and for each directory u32 0, its names' stat fields (f64 inode, size, mtime and ctime in
 * milliseconds), its names joined by slashes, and the names of the directories among them; or u32 errno. Answers the
 * first directories only when the reply grows large.
 */
int op_list_directories(struct request *request, struct reply *reply) {
  uint32_t asked = take_u32(request), answered = 0;
  size_t count_at = reply->length;
  put_u32(reply, 0);
  for (uint32_t i = 0; i < asked; i++) {
    const char *path = take_string(request);
    if (reply->overflow || reply->length > REPLY_BYTES_TARGET) continue;
    size_t start = reply->length;
    int error = put_listing(reply, path);
    answered++;
    if (error == 0) continue;
    reply->length = start;
    put_u32(reply, (uint32_t)error);
  }
  take_end(request);
  if (!reply->overflow) memcpy(reply->bytes + count_at, &answered, 4);
  return 0;
}
