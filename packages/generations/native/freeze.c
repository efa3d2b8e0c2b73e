#include "holdfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CGROUPS_MAX 256u
#define PIDS_MAX 4096u
#define HOLDS_MAX 8192u
#define TIMEOUT_MS_MAX 60000u
#define YIELD_NS 500000u /* a quiet workload is frozen within this time: no sleep, no added latency */
#define PAUSE_NS 50000u

enum hold_kind { CGROUP_V1, CGROUP_V2, PROCESS };

/* One thing that is frozen or about to be. Descriptors, not names: neither a new cgroup at the same path nor a new
 * process with the same id is ever taken for the old one. */
struct hold {
  enum hold_kind kind;
  bool foreign; /* frozen before by someone else, who alone may thaw it */
  pid_t pid;
  int control; /* freezer.state, cgroup.freeze or a pidfd (-1 where the kernel has none) */
  int events;  /* cgroup.events of version 2, else -1 */
};

static struct hold holds[HOLDS_MAX];
static volatile unsigned hold_count;

uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

unsigned holds_mark(void) { return hold_count; }

static bool content_has(int fd, const char *text) {
  char content[512];
  ssize_t length = pread(fd, content, sizeof content - 1, 0);
  if (length < 0) return errno == ENODEV; /* a removed cgroup has no process left */
  content[length] = 0;
  return strstr(content, text) != NULL;
}

static int signal_process(const struct hold *hold, int number) {
  if (hold->control >= 0) return (int)syscall(SYS_pidfd_send_signal, hold->control, number, NULL, 0);
  return kill(hold->pid, number);
}

static int set_frozen(const struct hold *hold, bool frozen) {
  int result;
  if (hold->kind == PROCESS)
    result = signal_process(hold, frozen ? SIGSTOP : SIGCONT);
  else if (hold->kind == CGROUP_V1)
    result = frozen ? (int)write(hold->control, "FROZEN", 6) : (int)write(hold->control, "THAWED", 6);
  else
    result = (int)write(hold->control, frozen ? "1" : "0", 1);
  return result >= 0 || errno == ENODEV || errno == ESRCH ? 0 : -1; /* what is gone runs no more */
}

static void close_hold(const struct hold *hold) {
  if (hold->control >= 0) close(hold->control);
  if (hold->events >= 0) close(hold->events);
}

/* The state letter of /proc/.../stat, which follows the command in its last parenthesis; 0 when there is none. */
static char task_state(const char *path) {
  char content[512];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t length = read(fd, content, sizeof content - 1);
  close(fd);
  if (length <= 0) return 0;
  content[length] = 0;
  const char *end = strrchr(content, ')');
  return end != NULL && end[1] == ' ' ? end[2] : 0;
}

static bool process_is_stopped(pid_t pid) {
  char path[300];
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *tasks = opendir(path);
  if (tasks == NULL) return true; /* it has ended */
  bool stopped = true;
  for (struct dirent *task; stopped && (task = readdir(tasks)) != NULL;) {
    if (task->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid, task->d_name);
    char state = task_state(path);
    stopped = state == 0 || strchr("TtZXx", state) != NULL;
  }
  closedir(tasks);
  return stopped;
}

static bool is_frozen(const struct hold *hold) {
  if (hold->kind == PROCESS) return process_is_stopped(hold->pid);
  return hold->kind == CGROUP_V1 ? content_has(hold->control, "FROZEN") : content_has(hold->events, "frozen 1");
}

/* True when this process runs inside cgroup `directory`: to freeze it would be to never thaw it. */
static bool contains_self(const char *directory, bool version_1) {
  char real[PATH_MAX], line[PATH_MAX + 64];
  struct stat own, above;
  if (realpath(directory, real) == NULL || stat(real, &own) != 0) return false;
  char *path = real + strlen(real); /* becomes the path below the mount point */
  for (char *cut = path; cut > real;) {
    while (*--cut != '/') continue;
    *cut = 0;
    bool inside = stat(cut == real ? "/" : real, &above) == 0 && above.st_dev == own.st_dev;
    *cut = '/';
    if (!inside) break;
    path = cut;
  }
  FILE *list = fopen("/proc/self/cgroup", "re");
  if (list == NULL) return false;
  bool contains = false;
  while (!contains && fgets(line, sizeof line, list) != NULL) {
    line[strcspn(line, "\n")] = 0;
    char *names = strchr(line, ':'), *at = names == NULL ? NULL : strchr(names + 1, ':');
    if (at == NULL) continue;
    *at++ = 0;
    bool wanted = version_1 ? strstr(names, "freezer") != NULL : names[1] == 0;
    size_t length = strlen(path);
    contains = wanted && strncmp(at, path, length) == 0 && (at[length] == 0 || at[length] == '/' || length == 0);
  }
  fclose(list);
  return contains;
}

static int hold_cgroup(struct reply *reply, const char *path, struct hold *hold) {
  *hold = (struct hold){.kind = CGROUP_V1, .control = -1, .events = -1};
  int directory = open_directory(path);
  if (directory < 0) return failed(reply, "open cgroup");
  int error = 0;
  hold->control = openat(directory, "freezer.state", O_RDWR | O_CLOEXEC);
  if (hold->control < 0) {
    hold->kind = CGROUP_V2;
    hold->control = openat(directory, "cgroup.freeze", O_RDWR | O_CLOEXEC);
    hold->events = openat(directory, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (hold->control < 0 || hold->events < 0) error = failed(reply, "not a freezer cgroup");
  }
  int own = hold->kind == CGROUP_V1 ? openat(directory, "freezer.self_freezing", O_RDONLY | O_CLOEXEC) : -1;
  hold->foreign = error == 0 && content_has(own >= 0 ? own : hold->control, "1");
  if (own >= 0) close(own);
  close(directory);
  if (error != 0) close_hold(hold);
  return error;
}

static int hold_process(struct reply *reply, pid_t pid, struct hold *hold) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  *hold = (struct hold){.kind = PROCESS, .pid = pid, .control = -1, .events = -1};
  if (pid <= 1 || pid == getpid() || pid == getppid()) {
    errno = EDEADLK;
    return failed(reply, "stop");
  }
  hold->control = (int)syscall(SYS_pidfd_open, pid, 0);
  if (hold->control < 0 && errno != ENOSYS && errno != EPERM) return failed(reply, "pidfd");
  hold->foreign = task_state(path) == 'T';
  return 0;
}

static int add_hold(struct reply *reply, const struct hold *hold) {
  if (hold_count == HOLDS_MAX) {
    close_hold(hold);
    errno = ENOBUFS;
    return failed(reply, "freeze");
  }
  holds[hold_count++] = *hold;
  return !hold->foreign && set_frozen(hold, true) != 0 ? failed(reply, "freeze") : 0;
}

/* Waits until each hold from `mark` on reads back as frozen. */
static int wait_frozen(struct reply *reply, unsigned mark, uint64_t start, uint32_t timeout_ms) {
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  for (unsigned i = mark; i < hold_count; i++) {
    while (!is_frozen(&holds[i])) {
      uint64_t waited = monotonic_ns() - start;
      errno = ETIMEDOUT;
      if (waited > (uint64_t)timeout_ms * 1000000u) return failed(reply, "freeze");
      if (waited < YIELD_NS) {
        sched_yield();
        continue;
      }
      /* Version 1 can miss processes that appear while it freezes; asked again, it takes these too. */
      if (holds[i].kind == CGROUP_V1 && !holds[i].foreign && set_frozen(&holds[i], true) != 0)
        return failed(reply, "freeze");
      nanosleep(&pause, NULL);
    }
  }
  return 0;
}

int thaw_from(unsigned mark) {
  int error = 0;
  while (hold_count > mark) {
    const struct hold *hold = &holds[hold_count - 1];
    if (!hold->foreign && set_frozen(hold, false) != 0 && error == 0) error = errno;
    close_hold(hold);
    hold_count--;
  }
  return error;
}

/* Forgets without a thaw what was frozen already. */
static void drop_foreign(unsigned mark) {
  unsigned kept = mark;
  for (unsigned i = mark; i < hold_count; i++) {
    if (holds[i].foreign)
      close_hold(&holds[i]);
    else
      holds[kept++] = holds[i];
  }
  hold_count = kept;
}

int take_freeze_list(struct request *request, struct reply *reply, struct freeze_list *list) {
  static const char *cgroups[CGROUPS_MAX];
  static uint32_t pids[PIDS_MAX];
  *list = (struct freeze_list){.cgroups = cgroups, .pids = pids};
  errno = E2BIG;
  list->cgroup_count = take_u32(request);
  if (list->cgroup_count > CGROUPS_MAX) return failed(reply, "cgroups");
  for (uint32_t i = 0; i < list->cgroup_count; i++) cgroups[i] = take_string(request);
  list->pid_count = take_u32(request);
  if (list->pid_count > PIDS_MAX) return failed(reply, "processes");
  for (uint32_t i = 0; i < list->pid_count; i++) pids[i] = take_u32(request);
  return 0;
}

/* All of the list reads back as frozen, or an errno and nothing of it is. */
int freeze_listed(struct reply *reply, const struct freeze_list *list, uint32_t timeout_ms, uint32_t *already_frozen) {
  unsigned mark = hold_count;
  uint64_t start = monotonic_ns();
  int error = 0;
  for (uint32_t i = 0; error == 0 && i < list->cgroup_count; i++) {
    struct hold hold;
    error = hold_cgroup(reply, list->cgroups[i], &hold);
    if (error == 0 && contains_self(list->cgroups[i], hold.kind == CGROUP_V1)) {
      close_hold(&hold);
      errno = EDEADLK;
      error = failed(reply, "freeze");
    }
    if (error == 0) error = add_hold(reply, &hold);
  }
  for (uint32_t i = 0; error == 0 && i < list->pid_count; i++) {
    struct hold hold;
    error = hold_process(reply, (pid_t)list->pids[i], &hold);
    if (error == ESRCH)
      error = 0; /* it has ended */
    else if (error == 0)
      error = add_hold(reply, &hold);
  }
  if (error == 0) error = wait_frozen(reply, mark, start, timeout_ms < TIMEOUT_MS_MAX ? timeout_ms : TIMEOUT_MS_MAX);
  *already_frozen = 0;
  for (unsigned i = mark; i < hold_count; i++) *already_frozen += holds[i].foreign;
  if (error != 0)
    thaw_from(mark);
  else
    drop_foreign(mark);
  return error;
}

/* Reply: u64 ns until all was frozen, u32 how many were frozen already. */
int op_freeze(struct request *request, struct reply *reply) {
  struct freeze_list list;
  uint32_t already_frozen;
  int error = take_freeze_list(request, reply, &list);
  if (error != 0) return error;
  uint32_t timeout_ms = take_u32(request);
  take_end(request);
  uint64_t start = monotonic_ns();
  error = freeze_listed(reply, &list, timeout_ms, &already_frozen);
  put_u64(reply, monotonic_ns() - start);
  put_u32(reply, already_frozen);
  return error;
}

/* Forgets the holds of the same cgroup or process: it runs again. */
static void forget_like(const struct hold *thawed) {
  struct stat wanted = {0}, other;
  if (thawed->kind != PROCESS && fstat(thawed->control, &wanted) != 0) return;
  unsigned kept = 0;
  for (unsigned i = 0; i < hold_count; i++) {
    bool same = holds[i].kind == thawed->kind && holds[i].pid == thawed->pid;
    if (same && thawed->kind != PROCESS)
      same = fstat(holds[i].control, &other) == 0 && other.st_dev == wanted.st_dev && other.st_ino == wanted.st_ino;
    if (same)
      close_hold(&holds[i]);
    else
      holds[kept++] = holds[i];
  }
  hold_count = kept;
}

static int thaw_hold(struct reply *reply, const struct hold *hold) {
  int error = set_frozen(hold, false) == 0 ? 0 : failed(reply, "thaw");
  if (error == 0) forget_like(hold);
  close_hold(hold);
  return error;
}

/* Thaws what is named, whoever froze it: also what an earlier process left frozen. What is gone counts as thawed;
 * the first failure is answered after all were tried. */
int op_thaw(struct request *request, struct reply *reply) {
  struct freeze_list list;
  struct hold hold;
  int first = take_freeze_list(request, reply, &list);
  if (first != 0) return first;
  take_end(request);
  const char *first_step = "";
  for (uint32_t i = 0; i < list.cgroup_count + list.pid_count; i++) {
    int error = i < list.cgroup_count ? hold_cgroup(reply, list.cgroups[i], &hold)
                                      : hold_process(reply, (pid_t)list.pids[i - list.cgroup_count], &hold);
    if (error == ENOENT || error == ESRCH) continue;
    if (error == 0) error = thaw_hold(reply, &hold);
    if (error == 0 || first != 0) continue;
    first = error;
    first_step = reply->step;
  }
  reply->step = first_step;
  return first;
}
