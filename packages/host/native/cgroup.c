#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PASSES_MAX 64
#define CGROUP_V1_MAGIC 0x27e0eb
#define CGROUP_V2_MAGIC 0x63677270

static bool write_at(int directory, const char *file, const char *text) {
  int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool written = write(fd, text, strlen(text)) > 0;
  close(fd);
  return written;
}

static bool file_has(int directory, const char *file, const char *text) {
  char content[256];
  int fd = openat(directory, file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, content, sizeof content - 1);
  close(fd);
  content[length > 0 ? length : 0] = 0;
  return strstr(content, text) != NULL;
}

/* A cgroup's directory, or -1. No other directory is ever taken for one, nor a root, which has no freezer. */
int open_cgroup(const char *path) {
  struct statfs of;
  int fd = path[0] == 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  bool is_cgroup = fstatfs(fd, &of) == 0 && (of.f_type == CGROUP_V1_MAGIC || of.f_type == CGROUP_V2_MAGIC);
  if (is_cgroup && (faccessat(fd, "freezer.state", F_OK, 0) == 0 || faccessat(fd, "cgroup.freeze", F_OK, 0) == 0))
    return fd;
  close(fd);
  errno = ENOTSUP;
  return -1;
}

void set_frozen(int cgroup, bool frozen) {
  if (!write_at(cgroup, "freezer.state", frozen ? "FROZEN" : "THAWED"))
    write_at(cgroup, "cgroup.freeze", frozen ? "1" : "0");
}

bool is_frozen(int cgroup) {
  return file_has(cgroup, "freezer.state", "FROZEN") || file_has(cgroup, "cgroup.events", "frozen 1");
}

/* Signals everybody in it (0: only looks); a sum over their ids, 0 of an empty one. Ids come from the kernel's list only,
 * read now: an id that was used anew is not in it. */
uint64_t signal_listed(int cgroup, int number) {
  char text[4096];
  uint64_t sum = 0;
  int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC), pid = 0;
  if (fd < 0) return 0;
  for (ssize_t length; (length = read(fd, text, sizeof text)) > 0;)
    for (ssize_t i = 0; i < length; i++) {
      if (text[i] >= '0' && text[i] <= '9') {
        pid = pid * 10 + (text[i] - '0');
        continue;
      }
      if (pid > 1 && pid != getpid() && number != 0) kill(pid, number);
      if (pid > 0) sum += (uint64_t)pid * 1000003u + 1u;
      pid = 0;
    }
  close(fd);
  return sum;
}

/* Frozen, nobody forks: the second reading shows nobody new. */
void kill_all(int cgroup) {
  write_at(cgroup, "cgroup.kill", "1");
  uint64_t before = 0, now = signal_listed(cgroup, SIGKILL);
  for (int pass = 0; now != before && pass < PASSES_MAX; pass++) {
    before = now;
    now = signal_listed(cgroup, SIGKILL);
  }
}
