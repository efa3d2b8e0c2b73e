/* What a process may do and reach: of holdinit itself, of a command before its program starts, and its end. */
#include "holdinit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (1ull << (capability))
#define OWN_CAPABILITIES (BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL))
#define ROOT_CAPABILITIES \
  (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_SETUID) | BIT(CAP_SETGID))
#define PROCESSES_MAX 65536
#define PIDS_MAX (1u << 22)

static int set_capabilities(uint64_t wanted) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2];
  if (syscall(SYS_capget, &header, sets) < 0) return -1;
  for (int half = 0; half < 2; half++) {
    sets[half].permitted &= (uint32_t)(wanted >> (32 * half));
    sets[half].effective = sets[half].permitted;
    sets[half].inheritable = 0;
  }
  return (int)syscall(SYS_capset, &header, sets);
}

/* Without CAP_SETPCAP a set that is not empty stays: no_new_privs keeps it from giving anything. */
static void bound_capabilities(uint64_t wanted) {
  for (int number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++) {
    if ((wanted & BIT(number)) == 0) prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
  }
}

/* An empty bounding set takes nothing from a process that execs no more, so commands are born with it. */
void confine_self(void) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) report_start_failure("no_new_privs");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  bound_capabilities(options.allow_root ? ROOT_CAPABILITIES : 0);
  /* who may run root commands drops their capabilities again for the others, which takes CAP_SETPCAP */
  uint64_t kept = OWN_CAPABILITIES | (options.allow_root ? ROOT_CAPABILITIES | BIT(CAP_SETPCAP) : 0);
  if (set_capabilities(kept) < 0) report_start_failure("capabilities");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) report_start_failure("dumpable");
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static int set_limits(const struct command *command) {
  setrlimit(RLIMIT_NOFILE, &options.files);
  for (uint32_t i = 0; i < command->limits; i++) {
    const uint8_t *at = command->limit + (size_t)i * 20;
    uint32_t resource;
    uint64_t soft, hard;
    memcpy(&resource, at, 4);
    memcpy(&soft, at + 4, 8);
    memcpy(&hard, at + 12, 8);
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    if (setrlimit((int)resource, &limit) < 0) return -1;
  }
  return 0;
}

static void set_oom_score(void) {
  int file = options.oom_score == NULL ? -1 : open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file >= 0 && write(file, options.oom_score, strlen(options.oom_score)) < 0) errno = 0;
  if (file >= 0) close(file);
}

static int set_user(const struct command *command) {
  if (geteuid() != 0) return 0; /* an ordinary process runs commands as itself */
  uid_t uid = command->is_root ? 0 : options.uid;
  gid_t gid = command->is_root ? 0 : options.gid;
  if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0) return -1;
  return (int)syscall(SYS_setresuid, uid, uid, uid);
}

/*
 * Runs in a child that shares its parent's memory until the program starts: raw system calls, nothing allocated.
 * Descriptors go before the directory is entered: /proc/self/fd/N leads nowhere then.
 */
int confine_command(const struct command *command, uint8_t *step) {
  closefrom(3);
  *step = S_LIMITS;
  set_oom_score();
  if (set_limits(command) < 0) return -1;
  *step = S_CAPABILITIES;
  if (options.allow_root) bound_capabilities(command->is_root ? ROOT_CAPABILITIES : 0);
  *step = S_USER;
  if (command->is_root && !options.allow_root) {
    errno = EPERM;
    return -1;
  }
  if (set_user(command) < 0) return -1;
  *step = S_CAPABILITIES;
  if (set_capabilities(command->is_root ? ROOT_CAPABILITIES : 0) < 0) return -1;
  *step = S_DIRECTORY;
  return chdir(command->directory);
}

struct process {
  pid_t pid, parent, session;
};

static size_t list_processes(struct process *list) {
  size_t count = 0;
  DIR *directory = opendir("/proc");
  if (directory == NULL) return 0;
  for (struct dirent *entry; count < PROCESSES_MAX && (entry = readdir(directory)) != NULL;) {
    int pid = atoi(entry->d_name);
    if (pid <= 0 || (unsigned)pid >= PIDS_MAX) continue;
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    if (length <= 0) continue;
    text[length] = 0;
    char *rest = strrchr(text, ')'); /* a program may call itself anything, brackets and blanks too */
    struct process process = {.pid = pid};
    bool is_read = rest != NULL && sscanf(rest, ") %*c %d %*d %d", &process.parent, &process.session) == 2;
    if (is_read) list[count++] = process;
  }
  closedir(directory);
  return count;
}

#define HAS(set, pid) (((set)[(pid) >> 3] >> ((pid) & 7)) & 1)
#define ADD(set, pid) ((set)[(pid) >> 3] |= (uint8_t)(1u << ((pid) & 7)))

/*
 * KILL to every process below this one, and to those of `session` unless it is 0: gVisor has no subreapers. All are
 * stopped first, until a look finds none that runs: what is stopped forks no more. Who calls repeats it until it has no
 * child left.
 */
void kill_below(pid_t session) {
  static struct process list[PROCESSES_MAX];
  static uint8_t below[PIDS_MAX / 8], stopped[PIDS_MAX / 8];
  pid_t self = getpid();
  size_t count = 0;
  memset(stopped, 0, sizeof stopped);
  for (int look = 0, found = 1; look < 16 && found > 0; look++) {
    count = list_processes(list);
    memset(below, 0, sizeof below);
    ADD(below, self);
    for (bool grown = true; grown;) {
      grown = false;
      for (size_t i = 0; i < count; i++) {
        bool is_own = session > 0 && list[i].session == session;
        if (HAS(below, list[i].pid) || list[i].parent < 0 || !(is_own || HAS(below, list[i].parent))) continue;
        ADD(below, list[i].pid);
        grown = true;
      }
    }
    found = 0;
    for (size_t i = 0; i < count; i++) {
      if (list[i].pid == self || !HAS(below, list[i].pid) || HAS(stopped, list[i].pid)) continue;
      ADD(stopped, list[i].pid);
      if (kill(list[i].pid, SIGSTOP) == 0) found++;
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (list[i].pid != self && HAS(below, list[i].pid)) kill(list[i].pid, SIGKILL);
  }
}
