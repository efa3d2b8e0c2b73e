/*
 * Flags, the event loop, and the end. docs/formats/holdinit.md has the contract.
 *
 * All waiting is in one epoll_wait. Descriptors 0 to 3 belong to nobody, so that a keeper may put its own there.
 */
#include "holdinit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_START_FAILED 1
#define EXIT_USAGE 2
#define EXIT_DEADLINE 3
#define EXIT_TOLD 4
#define EVENTS_A_TURN 64

struct options options = {.uid = 1000, .gid = 1000};
static uint64_t deadline_ms;
static int loop = -1;

static void on_deadline(struct source *source, uint32_t events);
static void on_signal(struct source *source, uint32_t events);
static struct source timer = {-1, NULL, on_deadline};
static struct source signals = {-1, NULL, on_signal};

void report_start_failure(const char *what) {
  fprintf(stderr, "holdinit: %s: %s\n", what, strerror(errno));
  exit(EXIT_START_FAILED);
}

uint64_t boot_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Again for a descriptor that another source had. Edge-triggered: who owns the source remembers that it is ready until a read or write says otherwise. */
void watch(struct source *source, uint32_t events) {
  struct epoll_event event = {.events = events | EPOLLET, .data.ptr = source};
  if (source->fd < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, source->fd, &event) == 0) return;
  if (errno != EEXIST || epoll_ctl(loop, EPOLL_CTL_MOD, source->fd, &event) < 0) source->ready(source, EPOLLERR);
}

/* Unwatched by name: a keeper that was just forked still holds a copy, and a close alone would leave the watch to it. */
void close_source(struct source *source) {
  if (source->fd < 0) return;
  epoll_ctl(loop, EPOLL_CTL_DEL, source->fd, NULL);
  close(source->fd);
  source->fd = -1;
}

uint64_t deadline(void) { return deadline_ms; }

void set_deadline(uint64_t at_ms) {
  struct itimerspec at = {.it_value = {(time_t)(at_ms / 1000), (long)(at_ms % 1000) * 1000000}};
  if (at_ms == 0) at.it_value.tv_nsec = 1; /* 0 would disarm it */
  deadline_ms = at_ms;
  if (at_ms / 1000 > INT32_MAX) at.it_value.tv_sec = INT32_MAX;
  if (timerfd_settime(timer.fd, TFD_TIMER_ABSTIME, &at, NULL) < 0) abort();
}

/* Nothing that this process started outlives it. `kill(-1)` is for a pid namespace of our own: nowhere else. */
__attribute__((noreturn)) static void end_all(int status) {
  if (getpid() == 1) {
    kill(-1, SIGKILL);
    _exit(status);
  }
  for (int round = 0; round < 2000; round++) {
    pid_t ended;
    kill_below(0);
    while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) continue;
    if (ended < 0 && errno == ECHILD) break;
    usleep(1000);
  }
  unlink(options.control);
  unlink(options.guest);
  _exit(status);
}

static void on_deadline(struct source *source, uint32_t events) {
  (void)source;
  (void)events;
  if (boot_ms() >= deadline_ms) end_all(EXIT_DEADLINE);
}

/* Inside a pid namespace only its outside may end it: a sender there has no pid here. */
static void on_signal(struct source *source, uint32_t events) {
  struct signalfd_siginfo info;
  (void)events;
  while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo != SIGCHLD && (getpid() != 1 || info.ssi_pid == 0)) end_all(EXIT_TOLD);
  }
  for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) keeper_ended(pid);
}

int listen_at(const char *path, int backlog, mode_t mode) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    report_start_failure(path);
  }
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  unlink(path);
  mode_t mask = umask(0777 & ~mode);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0) {
    report_start_failure(path);
  }
  umask(mask);
  return fd;
}

static uint64_t number_of(const char *text, uint64_t most) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || *text < '0' || *text > '9' || *end != 0 || value > most) {
    fprintf(stderr, "holdinit: not a number that may stand here: %s\n", text);
    exit(EXIT_USAGE);
  }
  return value;
}

static void take_flag(const char *flag, const char *value) {
  if (strcmp(flag, "--control") == 0) options.control = value;
  else if (strcmp(flag, "--guest") == 0) options.guest = value;
  else if (strcmp(flag, "--nonce") == 0) options.nonce = value;
  else if (strcmp(flag, "--deadline") == 0) options.deadline_ms = number_of(value, UINT64_MAX - 1);
  else if (strcmp(flag, "--uid") == 0) options.uid = (uid_t)number_of(value, UINT32_MAX - 1);
  else if (strcmp(flag, "--gid") == 0) options.gid = (gid_t)number_of(value, UINT32_MAX - 1);
  else if (strcmp(flag, "--root") == 0) options.allow_root = strcmp(value, "allowed") == 0;
  else if (strcmp(flag, "--oom-score") == 0) options.oom_score = value;
  else if (strcmp(flag, "--peer") == 0) {
    options.peer = strcmp(value, "outside") == 0 ? PEER_OUTSIDE : strcmp(value, "any") == 0 ? PEER_ANY : PEER_OWN;
  } else {
    fprintf(stderr, "holdinit: unknown flag %s\n", flag);
    exit(EXIT_USAGE);
  }
}

static void take_flags(int argc, char **argv) {
  options.peer = getpid() == 1 ? PEER_OUTSIDE : PEER_OWN;
  for (int i = 1; i + 1 < argc; i += 2) take_flag(argv[i], argv[i + 1]);
  if (argc % 2 == 1 && options.control && options.guest && options.nonce && options.deadline_ms) return;
  fputs("usage: holdinit --control PATH --guest PATH --nonce PATH --deadline MS [--uid N] [--gid N]\n"
        "         [--root allowed|refused] [--peer outside|own|any] [--oom-score N]\n", stderr);
  exit(EXIT_USAGE);
}

static void prepare_process(void) {
  for (int fd; (fd = open("/dev/null", O_RDWR)) < 4;) {
    if (fd < 0) report_start_failure("/dev/null");
  }
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, 0);
  dup2(null, 3);
  closefrom(4);
  if (chdir("/") < 0) report_start_failure("/");
  if (getrlimit(RLIMIT_NOFILE, &options.files) < 0) report_start_failure("limits");
  const struct rlimit files = {options.files.rlim_max, options.files.rlim_max};
  setrlimit(RLIMIT_NOFILE, &files);
  for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  sigset_t all, read;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigemptyset(&read);
  sigaddset(&read, SIGCHLD);
  sigaddset(&read, SIGTERM);
  sigaddset(&read, SIGINT);
  sigaddset(&read, SIGHUP);
  loop = epoll_create1(EPOLL_CLOEXEC);
  signals.fd = signalfd(-1, &read, SFD_NONBLOCK | SFD_CLOEXEC);
  timer.fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (loop < 0 || signals.fd < 0 || timer.fd < 0) report_start_failure("event loop");
  watch(&signals, EPOLLIN);
  watch(&timer, EPOLLIN);
}

static int wait_ms(bool is_busy) {
  if (is_busy) return 0;
  uint64_t next = channels_next_ms(), other = guest_next_ms(), now = boot_ms();
  if (other < next) next = other;
  if (next == UINT64_MAX) return -1;
  return next <= now ? 1 : next - now > 60000 ? 60000 : (int)(next - now);
}

int main(int argc, char **argv) {
  const char *name = strrchr(argv[0], '/');
  if (strcmp(name == NULL ? argv[0] : name + 1, "hold") == 0) return hold_main(argc, argv);
  take_flags(argc, argv);
  control_read_nonce(); /* what it may come through is closed next */
  prepare_process();
  guest_open();
  control_open();
  confine_self();
  set_deadline(options.deadline_ms);
  for (bool is_busy = false;;) {
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(loop, events, EVENTS_A_TURN, wait_ms(is_busy));
    for (int i = 0; i < count; i++) {
      struct source *source = events[i].data.ptr;
      source->ready(source, events[i].events);
    }
    is_busy = control_work();
    is_busy = channels_pump() || is_busy;
    is_busy = control_flush() || is_busy;
    channels_sweep();
    guest_sweep();
  }
}
