#include "holdfs.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA /* Linux 6.7 */
#define BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA 4
#endif

#define SUBVOLUME_ROOT_INODE 256
#define STREAM_BYTES_MAX (32u << 20)
#define NAME_BYTES_MAX 255u

static int set_name(char *into, const char *name) {
  if (strlen(name) > NAME_BYTES_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(into, name);
  return 0;
}

int snapshot_create(int parent_fd, const char *name, int source_fd, bool read_only) {
  struct btrfs_ioctl_vol_args_v2 args = {.fd = source_fd, .flags = read_only ? BTRFS_SUBVOL_RDONLY : 0};
  if (set_name(args.name, name) != 0) return -1;
  return ioctl(parent_fd, BTRFS_IOC_SNAP_CREATE_V2, &args);
}

/* One ioctl on (parent directory, name). */
static int name_ioctl(struct request *request, struct reply *reply, unsigned long code, const char *step) {
  const char *parent = take_string(request), *name = take_string(request);
  take_end(request);
  struct btrfs_ioctl_vol_args args = {0};
  if (set_name(args.name, name) != 0) return failed(reply, step);
  int fd = open_directory(parent);
  if (fd < 0) return failed(reply, "open");
  int error = ioctl(fd, code, &args) == 0 ? 0 : failed(reply, step);
  close(fd);
  return error;
}

int op_subvolume_create(struct request *request, struct reply *reply) {
  return name_ioctl(request, reply, BTRFS_IOC_SUBVOL_CREATE, "subvolume create");
}

int op_subvolume_delete(struct request *request, struct reply *reply) {
  return name_ioctl(request, reply, BTRFS_IOC_SNAP_DESTROY, "subvolume delete");
}

int op_subvolume_snapshot(struct request *request, struct reply *reply) {
  const char *source = take_string(request), *parent = take_string(request), *name = take_string(request);
  bool read_only = take_u8(request) != 0;
  take_end(request);
  int from = open_directory(source);
  if (from < 0) return failed(reply, "open source");
  int to = open_directory(parent);
  int error = to < 0 ? failed(reply, "open") : 0;
  if (to >= 0 && snapshot_create(to, name, from, read_only) != 0) error = failed(reply, "snapshot");
  if (to >= 0) close(to);
  close(from);
  return error;
}

int op_is_subvolume_root(struct request *request, struct reply *reply) {
  const char *path = take_string(request);
  take_end(request);
  struct stat status;
  struct statfs filesystem;
  if (lstat(path, &status) != 0) return failed(reply, "stat");
  bool candidate = S_ISDIR(status.st_mode) && status.st_ino == SUBVOLUME_ROOT_INODE;
  if (candidate && statfs(path, &filesystem) != 0) return failed(reply, "statfs");
  put_u8(reply, candidate && filesystem.f_type == BTRFS_SUPER_MAGIC);
  return 0;
}

/* Reply: u64 generation, u64 id, u64 generation at creation, u8 read-only. */
int op_subvolume_state(struct request *request, struct reply *reply) {
  const char *path = take_string(request);
  take_end(request);
  int fd = open_directory(path);
  if (fd < 0) return failed(reply, "open");
  struct btrfs_ioctl_get_subvol_info_args subvolume = {0};
  int error = ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &subvolume) >= 0 ? 0 : failed(reply, "subvolume state");
  close(fd);
  if (error != 0) return error;
  put_u64(reply, subvolume.generation);
  put_u64(reply, subvolume.treeid);
  put_u64(reply, subvolume.otransid);
  put_u8(reply, (subvolume.flags & BTRFS_SUBVOL_RDONLY) != 0);
  return 0;
}

/* Below 0 for an error: this ioctl answers 1 for every subvolume but the first. */
static int subvolume_id(const char *path, uint64_t *id) {
  int fd = open_directory(path);
  if (fd < 0) return -1;
  struct btrfs_ioctl_get_subvol_info_args subvolume = {0};
  int result = ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &subvolume);
  int kept = errno;
  close(fd);
  errno = kept;
  *id = subvolume.treeid;
  return result;
}

/* Streams into memory, stopped by EFBIG at the bound: the kernel writes no byte past RLIMIT_FSIZE. */
static int send_bounded(int subvolume, int stream, uint64_t parent) {
  uint64_t sources[1] = {parent};
  struct btrfs_ioctl_send_args args = {
      .send_fd = stream,
      .parent_root = parent,
      .clone_sources = parent == 0 ? NULL : (__u64 *)sources,
      .clone_sources_count = parent == 0 ? 0 : 1,
      .flags = BTRFS_SEND_FLAG_NO_FILE_DATA,
  };
  struct rlimit before, bounded;
  if (getrlimit(RLIMIT_FSIZE, &before) != 0) return -1;
  bounded = before;
  if (bounded.rlim_cur > STREAM_BYTES_MAX) bounded.rlim_cur = STREAM_BYTES_MAX;
  if (setrlimit(RLIMIT_FSIZE, &bounded) != 0) return -1;
  int result = ioctl(subvolume, BTRFS_IOC_SEND, &args);
  int kept = errno;
  setrlimit(RLIMIT_FSIZE, &before);
  errno = kept;
  return result;
}

/* Reply: the stream's bytes. An empty parent path asks for the whole subvolume. */
int op_send_no_data(struct request *request, struct reply *reply) {
  const char *path = take_string(request), *parent = take_string(request);
  take_end(request);
  uint64_t parent_id = 0;
  if (parent[0] != 0 && subvolume_id(parent, &parent_id) < 0) return failed(reply, "open parent");
  int subvolume = open_directory(path);
  if (subvolume < 0) return failed(reply, "open");
  int error = 0;
  int stream = memfd_create("holdfs-stream", MFD_CLOEXEC);
  if (stream < 0) {
    error = failed(reply, "memfd");
  } else if (send_bounded(subvolume, stream, parent_id) != 0) {
    error = failed(reply, "send");
  } else {
    off_t size = lseek(stream, 0, SEEK_END);
    void *bytes = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, stream, 0) : MAP_FAILED;
    if (bytes == MAP_FAILED) {
      error = failed(reply, "mmap");
    } else {
      put_bytes(reply, bytes, (size_t)size);
      munmap(bytes, (size_t)size);
    }
  }
  if (stream >= 0) close(stream);
  close(subvolume);
  return error;
}

/* Simple quotas where the kernel has them (no walk of back references), else qgroups. */
static int quota_enable(int fd) {
  struct btrfs_ioctl_quota_ctl_args simple = {.cmd = BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA};
  if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &simple) == 0) return 0;
  if (errno != EINVAL && errno != EOPNOTSUPP) return -1;
  struct btrfs_ioctl_quota_ctl_args qgroups = {.cmd = BTRFS_QUOTA_CTL_ENABLE};
  return ioctl(fd, BTRFS_IOC_QUOTA_CTL, &qgroups);
}

/* Enables quotas on the file system of a subvolume and bounds what the subvolume refers to; ~0 lifts the bound. */
int op_quota_limit(struct request *request, struct reply *reply) {
  const char *path = take_string(request);
  uint64_t bytes_max = take_u64(request);
  take_end(request);
  int fd = open_directory(path);
  if (fd < 0) return failed(reply, "open");
  struct btrfs_ioctl_qgroup_limit_args limit = {
      .qgroupid = 0, /* of the subvolume that the descriptor is in */
      .lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = bytes_max},
  };
  int error = quota_enable(fd) == 0 ? 0 : failed(reply, "quota enable");
  if (error == 0 && ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &limit) != 0) error = failed(reply, "quota limit");
  close(fd);
  return error;
}

/* The item of the quota tree that counts a subvolume's bytes; 0 found: it is not counted. */
static int find_quota_item(int fd, uint64_t subvolume, struct btrfs_ioctl_search_args *search) {
  *search = (struct btrfs_ioctl_search_args){
      .key =
          {
              .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
              .min_type = BTRFS_QGROUP_INFO_KEY,
              .max_type = BTRFS_QGROUP_INFO_KEY,
              .min_offset = subvolume,
              .max_offset = subvolume,
              .max_transid = UINT64_MAX,
              .nr_items = 1,
          },
  };
  return ioctl(fd, BTRFS_IOC_TREE_SEARCH, search);
}

/* Reply: u64 bytes that count for a subvolume, as of the last transaction. */
int op_quota_used(struct request *request, struct reply *reply) {
  const char *path = take_string(request);
  take_end(request);
  uint64_t subvolume = 0;
  if (subvolume_id(path, &subvolume) < 0) return failed(reply, "subvolume state");
  int fd = open_directory(path);
  if (fd < 0) return failed(reply, "open");
  struct btrfs_ioctl_search_args search;
  int error = find_quota_item(fd, subvolume, &search) == 0 ? 0 : failed(reply, "quota search");
  close(fd);
  if (error != 0) return error;
  struct btrfs_qgroup_info_item item;
  const struct btrfs_ioctl_search_header *header = (const void *)search.buf;
  if (search.key.nr_items == 0 || header->len < sizeof item) {
    errno = ENOENT;
    return failed(reply, "quota search");
  }
  memcpy(&item, search.buf + sizeof *header, sizeof item);
  put_u64(reply, le64toh(item.rfer));
  return 0;
}
