/*
 * Commands. Each has a keeper, a child of holdinit that is the reaper of all that the command starts, however it leaves
 * its group or session: so all of it can be found and killed. TERM tells a keeper to kill; it ends when all have ended.
 *
 *   holdinit ── keeper ── program (leader of its session and group)
 *       ▲         │            └─ …, and what lost its parent comes to the keeper
 *       └─ report ┘
 */
#include "holdinit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_HEAD_BYTES 20u
#define OUTPUT_PIPE_BYTES (256 << 10)
#define W_STDIN 1u
#define W_TERMINAL 2u
#define W_ROOT 4u

/* The descriptors that a program gets; -1: none. */
struct ends {
  int stdio[3], report;
};

static void run_program(const struct command *command, struct report *failure) {
  failure->kind = R_FAILED;
  setsid();
  failure->value = S_TERMINAL;
  if (!command->is_terminal || ioctl(0, TIOCSCTTY, 0) == 0) {
    umask(022);
    if (confine_command(command, &failure->value) == 0) {
      failure->value = S_PROGRAM;
      sigset_t none;
      sigemptyset(&none);
      signal(SIGPIPE, SIG_DFL);
      sigprocmask(SIG_SETMASK, &none, NULL);
      environ = command->environment; /* whose PATH the search uses */
      failure->kind = R_STARTED;
      execvpe(command->argv[0], command->argv, command->environment);
      failure->kind = R_FAILED;
    }
  }
  failure->number = errno;
  _exit(127);
}

/*
 * The pid of an ended program stays taken until its end is told: nobody signals a stranger. Returns the program, 0 once
 * it is reaped.
 */
static pid_t reap(pid_t program, int report) {
  siginfo_t info = {0};
  while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
    if (info.si_pid == program) {
      struct report end = {.kind = R_ENDED, .how = info.si_code == CLD_EXITED ? 0 : 1, .value = (uint8_t)info.si_status};
      if (write(report, &end, sizeof end) < 0) errno = 0;
    }
    waitpid(info.si_pid, NULL, 0);
    if (info.si_pid == program) program = 0;
    info.si_pid = 0;
  }
  return program;
}

__attribute__((noreturn)) static void keep(const struct command *command, const struct ends *ends, pid_t parent) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  if (getppid() != parent) _exit(0);
  for (int i = 0; i < 3; i++) dup2(ends->stdio[i], i); /* 0 to 3 belong to nobody else: see main.c */
  dup2(ends->report, 3);
  closefrom(4);
  fcntl(3, F_SETFD, FD_CLOEXEC);

  struct report report = {0};
  struct report *volatile told = &report; /* the child writes it: both share memory until the program starts */
  pid_t program = vfork();
  if (program == 0) run_program(command, told);
  if (program < 0) *told = (struct report){.kind = R_FAILED, .value = S_FORK, .number = errno};
  for (int i = 0; i < 3; i++) close(i);
  if (told->kind == R_STARTED) told->number = program;
  if (write(3, told, sizeof *told) < 0 || told->kind != R_STARTED) _exit(0);

  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  const struct timespec soon = {.tv_nsec = 2000000};
  for (bool is_killing = false;;) {
    program = reap(program, 3);
    if (waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD) _exit(0);
    if (is_killing) kill_below(program);
    int number = is_killing ? sigtimedwait(&set, NULL, &soon) : sigwaitinfo(&set, NULL);
    if (number == SIGTERM) is_killing = true;
  }
}

static void own_end(struct source *source, int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  source->fd = fd;
}

static bool open_pipes(struct channel *channel, struct ends *ends, bool has_input) {
  int pair[2];
  if (has_input) {
    if (pipe2(pair, O_CLOEXEC) < 0) return false;
    ends->stdio[0] = pair[0];
    own_end(&channel->input, pair[1]);
  }
  for (int i = 0; i < 2; i++) {
    if (pipe2(pair, O_CLOEXEC) < 0) return false;
    ends->stdio[1 + i] = pair[1];
    own_end(&channel->output[i], pair[0]);
  }
  fcntl(channel->output[0].fd, F_SETPIPE_SZ, OUTPUT_PIPE_BYTES); /* fewer, larger reads; refused is as good */
  return true;
}

/* By its name where the kernel cannot give it without. */
static int open_slave(int master) {
  char path[24];
  int number, slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave >= 0 || ioctl(master, TIOCGPTN, &number) < 0) return slave;
  snprintf(path, sizeof path, "/dev/pts/%d", number);
  return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* A terminal belongs to whoever opens it, so it is opened in the name of the command's user: chown needs a capability. */
static bool open_terminal(struct channel *channel, struct ends *ends, bool is_root) {
  bool is_switched = geteuid() == 0 && !is_root;
  if (is_switched) syscall(SYS_setfsuid, options.uid);
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  int unlocked = 0, slave = -1;
  if (master >= 0 && ioctl(master, TIOCSPTLCK, &unlocked) == 0) slave = open_slave(master);
  int error = errno;
  if (is_switched) syscall(SYS_setfsuid, 0);
  if (master >= 0) own_end(&channel->output[0], master);
  channel->input.fd = channel->output[0].fd;
  ends->stdio[0] = ends->stdio[1] = ends->stdio[2] = slave;
  errno = error;
  return slave >= 0;
}

static void close_ends(const struct ends *ends) {
  for (int i = 0; i < 3; i++) {
    if (ends->stdio[i] > 0 && (i == 0 || ends->stdio[i] != ends->stdio[0])) close(ends->stdio[i]);
  }
  if (ends->report >= 0) close(ends->report);
}

/* `count` strings of `*at`, each with its zero byte; NULL when they do not lie within `end`. */
static char **take_strings(const uint8_t **at, const uint8_t *end, uint32_t count) {
  char **list = calloc((size_t)count + 1, sizeof *list);
  for (uint32_t i = 0; list != NULL && i < count; i++) {
    const uint8_t *zero = memchr(*at, 0, (size_t)(end - *at));
    if (zero == NULL) {
      free(list);
      return NULL;
    }
    list[i] = (char *)*at;
    *at = zero + 1;
  }
  return list;
}

static void start(struct channel *channel, const struct command *command, const uint8_t *head) {
  struct ends ends = {.stdio = {0, -1, -1}, .report = -1};
  int report[2];
  enum step step = command->is_terminal ? S_TERMINAL : S_PIPES;
  bool opened = command->is_terminal ? open_terminal(channel, &ends, command->is_root)
                                     : open_pipes(channel, &ends, (head[8] & W_STDIN) != 0);
  if (opened) {
    step = S_PIPES;
    opened = pipe2(report, O_CLOEXEC) == 0;
  }
  if (opened) {
    ends.report = report[1];
    own_end(&channel->report, report[0]);
    uint16_t size[2];
    memcpy(size, head + 4, 4);
    if (command->is_terminal) terminal_resize(channel, size[0], size[1]);
    step = S_FORK;
    pid_t self = getpid();
    channel->keeper = fork();
    if (channel->keeper == 0) keep(command, &ends, self);
  }
  int error = errno;
  close_ends(&ends);
  if (!opened || channel->keeper < 0) {
    channel->keeper = 0;
    channel_fail(channel, step, error);
    return;
  }
  if (!command->is_terminal) watch(&channel->input, 4 /* EPOLLOUT */);
  watch(&channel->output[0], command->is_terminal ? 5 : 1);
  watch(&channel->output[1], 1);
  watch(&channel->report, 1);
}

/* Request: u32 credit · u16 columns · u16 rows · u8 wishes · u8 limits · u16 0 · u32 argc · u32 envc · limits · strings:
 * marker, directory, arguments, environment. */
void command_start(struct channel *channel, const uint8_t *request, size_t length) {
  struct command command = {0};
  uint32_t counts[2];
  char **fixed = NULL;
  const uint8_t *at = request + REQUEST_HEAD_BYTES, *end = request + length;
  if (length >= REQUEST_HEAD_BYTES && (size_t)(end - at) >= request[9] * 20u) {
    memcpy(&channel->credit, request, 4);
    memcpy(counts, request + 12, 8);
    command.is_terminal = channel->is_terminal = (request[8] & W_TERMINAL) != 0;
    command.is_root = (request[8] & W_ROOT) != 0;
    command.limits = request[9];
    command.limit = at;
    at += request[9] * 20u;
    fixed = take_strings(&at, end, 2);
    /* each string has a byte at least, so counts that lie are caught before they cost memory */
    if (fixed != NULL && counts[0] >= 1 && (uint64_t)counts[0] + counts[1] <= (uint64_t)(end - at)) {
      command.argv = take_strings(&at, end, counts[0]);
      if (command.argv != NULL) command.environment = take_strings(&at, end, counts[1]);
    }
  }
  if (command.environment == NULL || at != end || strlen(fixed[0]) > MARKER_BYTES_MAX) {
    channel_fail(channel, S_REQUEST, EINVAL);
  } else {
    strcpy(channel->marker, fixed[0]);
    command.directory = fixed[1];
    start(channel, &command, request);
  }
  free(command.environment);
  free(command.argv);
  free(fixed);
}

void command_take_report(struct channel *channel) {
  struct report report;
  while (channel->report.fd >= 0 && read(channel->report.fd, &report, sizeof report) == (ssize_t)sizeof report) {
    if (report.kind == R_STARTED) {
      channel->state = RUNNING;
      channel->pid = report.number;
    } else if (report.kind == R_FAILED) {
      channel_fail(channel, report.value, report.number);
    } else {
      channel->state = ENDED;
      channel->how = report.how;
      channel->value = report.value;
      channel->drain_until_ms = boot_ms() + DRAIN_MS;
    }
  }
}

/* A keeper that was killed has told no end: its command counts as killed. */
void keeper_ended(pid_t pid) {
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    if (channel->keeper != pid) continue;
    command_take_report(channel);
    channel->keeper = 0;
    if (channel->state != STARTING && channel->state != RUNNING) continue;
    if (channel->pid > 0) kill(-channel->pid, SIGKILL);
    channel->state = ENDED;
    channel->how = 1;
    channel->value = SIGKILL;
    channel->drain_until_ms = boot_ms() + DRAIN_MS;
  }
}
