/*
 * holdwatch STATE-DIRECTORY: kills sandboxes at their deadlines, whoever is alive. Speaks lines on its standard input and
 * output; docs/formats/watchdog.md has them, and the file that mirrors what is watched.
 *
 *   WATCHED ──deadline──► FREEZING ──frozen, or 200 ms──► SIGKILL to all, thaw ──► EMPTYING ──nobody left──► (gone)
 *
 * Nothing here allocates or waits for a sandbox: one that cannot be frozen or dies slowly holds up no other.
 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define RECORDS_MAX 1024u
#define NAME_BYTES 65u
#define PATH_BYTES 320u
#define PATHS 2u
#define LINE_BYTES 1024u
#define FREEZE_MS_MAX 200
#define LEAD_MS 250 /* begun so early, a kill has frozen hundreds of busy processes by the deadline */
#define STEP_MS 1
#define SLOW_AFTER_MS 1000
#define SLOW_STEP_MS 50 /* for what does not die: a process that the kernel holds */
#define MIRROR_MS 1000
#define SAID_BYTES (128u << 10)

enum phase { UNUSED, WATCHED, FREEZING, EMPTYING };

struct record {
  enum phase phase;
  char name[NAME_BYTES];
  char path[PATHS][PATH_BYTES];
  int64_t deadline_ms; /* CLOCK_BOOTTIME */
  int64_t since_ms;    /* of the phase */
};

static struct record records[RECORDS_MAX];
static char mirror[RECORDS_MAX * (NAME_BYTES + PATHS * PATH_BYTES + 32u) + 128u];
static char boot_id[64];
static char said[SAID_BYTES]; /* and not yet taken by the agent */
static size_t said_length;
static int64_t mirrored_at_ms;
static bool has_changed, must_mirror; /* since the mirror was written; in a way that may not wait */

static int64_t boot_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void flush_said(void) {
  ssize_t written = write(STDOUT_FILENO, said, said_length);
  if (written < 0 && errno != EAGAIN) written = (ssize_t)said_length; /* the agent is gone: nobody hears it */
  if (written <= 0) return;
  said_length -= (size_t)written;
  memmove(said, said + written, said_length);
}

/* Never blocks: what an agent does not read is kept while there is room, and requests wait (see main). */
static void say(const char *subject, const char *what, const char *more) {
  size_t room = SAID_BYTES - said_length;
  int length = snprintf(said + said_length, room, "%s %s%s%s\n", subject, what, *more == 0 ? "" : " ", more);
  if (length > 0 && (size_t)length < room) said_length += (size_t)length;
}

static void enter(struct record *record, enum phase phase) {
  record->phase = phase;
  record->since_ms = boot_ms();
}

/* Takes a record one step further, and never waits. */
static void step(struct record *record) {
  bool frozen = true, empty = true;
  for (unsigned i = 0; i < PATHS; i++) {
    int cgroup = open_cgroup(record->path[i]);
    if (cgroup < 0) continue; /* removed: nobody is in it */
    if (record->phase == EMPTYING) {
      empty = signal_listed(cgroup, SIGKILL) == 0 && empty;
      set_frozen(cgroup, false); /* whoever froze it meanwhile would keep the dead from going */
    } else {
      set_frozen(cgroup, true); /* told again, version 1 takes in those that were forked meanwhile */
      frozen = is_frozen(cgroup) && frozen;
    }
    close(cgroup);
  }
  if (record->phase == WATCHED) enter(record, FREEZING);
  if (record->phase == FREEZING && (frozen || boot_ms() - record->since_ms > FREEZE_MS_MAX)) {
    for (unsigned i = 0; i < PATHS; i++) {
      int cgroup = open_cgroup(record->path[i]);
      if (cgroup < 0) continue;
      kill_all(cgroup);
      set_frozen(cgroup, false);
      close(cgroup);
    }
    enter(record, EMPTYING);
  } else if (record->phase == EMPTYING && empty) {
    char late[24];
    snprintf(late, sizeof late, "%lld", (long long)(boot_ms() - record->deadline_ms));
    say("killed", record->name, late);
    record->phase = UNUSED;
    has_changed = must_mirror = true;
  }
}

/* Kills what is due; the instant at which there is more to do, or INT64_MAX. */
static int64_t step_all(void) {
  int64_t next = INT64_MAX;
  for (unsigned i = 0; i < RECORDS_MAX; i++) {
    struct record *record = &records[i];
    if (record->phase != UNUSED && (record->phase != WATCHED || record->deadline_ms - LEAD_MS <= boot_ms()))
      step(record);
    if (record->phase == UNUSED) continue;
    int64_t now = boot_ms();
    bool is_slow = record->phase == EMPTYING && now - record->since_ms > SLOW_AFTER_MS;
    int64_t at = record->phase == WATCHED ? record->deadline_ms - LEAD_MS : now + (is_slow ? SLOW_STEP_MS : STEP_MS);
    if (at < next) next = at;
  }
  if (has_changed && mirrored_at_ms + MIRROR_MS < next) next = mirrored_at_ms + MIRROR_MS;
  return next;
}

static bool watches_any(void) {
  for (unsigned i = 0; i < RECORDS_MAX; i++)
    if (records[i].phase != UNUSED) return true;
  return false;
}

/* The whole file anew, beside the old one until it is complete. Not synced: after a boot it counts for nothing. */
static bool write_mirror(void) {
  char *end = mirror + snprintf(mirror, sizeof mirror, "holdwatch 1 %s\n", boot_id);
  for (unsigned i = 0; i < RECORDS_MAX; i++)
    if (records[i].phase != UNUSED)
      end += sprintf(end, "%s %lld %s %s\n", records[i].name, (long long)records[i].deadline_ms, records[i].path[0],
                     records[i].path[1]);
  int fd = open("holdwatch.state.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool written = fd >= 0 && write(fd, mirror, (size_t)(end - mirror)) == end - mirror;
  if (fd >= 0) close(fd);
  written = written && rename("holdwatch.state.new", "holdwatch.state") == 0;
  mirrored_at_ms = boot_ms();
  if (written) has_changed = must_mirror = false;
  return written;
}

static void write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, text, strlen(text)) < 0) errno = 0; /* what this user may not have, it goes without */
  close(fd);
}

static struct record *find(const char *name) {
  for (unsigned i = 0; i < RECORDS_MAX; i++)
    if (records[i].phase != UNUSED && strcmp(records[i].name, name) == 0) return &records[i];
  return NULL;
}

static bool is_name(const char *text) {
  size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
  return length > 0 && length < NAME_BYTES && text[length] == 0;
}

static bool is_path(const char *text) {
  return text[0] == '/' && strlen(text) < PATH_BYTES && strstr(text, "..") == NULL;
}

static bool parse_ms(const char *text, int64_t *ms) {
  char *end;
  errno = 0;
  *ms = strtoll(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0;
}

/* "" or why not. */
static const char *watch(const char *name, const char *deadline, const char *const paths[PATHS]) {
  struct record *record = find(name);
  int64_t deadline_ms;
  if (!is_name(name) || !parse_ms(deadline, &deadline_ms) || !is_path(paths[0])) return "malformed";
  if (paths[1][0] != 0 && !is_path(paths[1])) return "malformed";
  if (record != NULL && record->phase != WATCHED) return "passed";
  for (unsigned i = 0; i < PATHS; i++) {
    int cgroup = open_cgroup(paths[i]);
    if (cgroup < 0 && paths[i][0] != 0 && errno != ENOENT) return "not-a-cgroup";
    if (cgroup >= 0) close(cgroup);
  }
  for (unsigned i = 0; record == NULL && i < RECORDS_MAX; i++)
    if (records[i].phase == UNUSED) record = &records[i];
  if (record == NULL) return "full";
  *record = (struct record){.phase = WATCHED, .deadline_ms = deadline_ms};
  strcpy(record->name, name);
  for (unsigned i = 0; i < PATHS; i++) strcpy(record->path[i], paths[i]);
  has_changed = must_mirror = true;
  return "";
}

static const char *change(const char *verb, const char *name, const char *deadline) {
  struct record *record = find(name);
  int64_t deadline_ms = 0;
  if (strcmp(verb, "extend") == 0 && !parse_ms(deadline, &deadline_ms)) return "malformed";
  if (record == NULL) return "unknown";
  if (strcmp(verb, "forget") == 0 && record->phase == WATCHED) record->phase = UNUSED;
  if (strcmp(verb, "kill") == 0 && record->phase == WATCHED) record->deadline_ms = boot_ms();
  if (record->phase == FREEZING || record->phase == EMPTYING) return strcmp(verb, "kill") == 0 ? "" : "passed";
  if (strcmp(verb, "extend") == 0) record->deadline_ms = deadline_ms;
  has_changed = true;
  must_mirror = must_mirror || strcmp(verb, "forget") == 0;
  return "";
}

/* One line of the agent's: NUMBER VERB NAME [DEADLINE] [PATH [PATH]]. */
static void answer(char *line) {
  const char *words[7] = {"", "", "", "", "", "", ""};
  unsigned count = 0;
  for (char *word; count < 7 && (word = strsep(&line, " ")) != NULL; count++) words[count] = word;
  const char *verb = words[1], *wrong = "malformed";
  int64_t number;
  unsigned wanted = strcmp(verb, "watch") == 0 ? 5 : strcmp(verb, "extend") == 0 ? 4 : 3;
  bool is_change = strcmp(verb, "extend") == 0 || strcmp(verb, "forget") == 0 || strcmp(verb, "kill") == 0;
  bool is_number = parse_ms(words[0], &number) && strlen(words[0]) < 16;
  if (is_number && wanted == 5 && (count == 5 || count == 6)) wrong = watch(words[2], words[3], words + 4);
  if (is_number && is_change && count == wanted) wrong = change(verb, words[2], words[3]);
  if (must_mirror && !write_mirror() && *wrong == 0) wrong = "mirror";
  say(is_number ? words[0] : "0", *wrong == 0 ? "ok" : "failed", wrong);
}

/* False at the end: the agent is gone. What is longer than a line, or no text, is malformed. */
static bool read_lines(void) {
  static char line[LINE_BYTES];
  static size_t length;
  static bool is_bad;
  char text[4096];
  ssize_t taken = read(STDIN_FILENO, text, sizeof text);
  if (taken < 0) return errno == EINTR || errno == EAGAIN;
  for (ssize_t i = 0; i < taken; i++) {
    if (text[i] != '\n') {
      is_bad = is_bad || text[i] < ' ' || text[i] > '~' || length == LINE_BYTES - 1;
      if (!is_bad) line[length++] = text[i];
      continue;
    }
    line[is_bad ? 0 : length] = 0;
    answer(line);
    length = 0;
    is_bad = false;
  }
  return taken > 0;
}

/* What an earlier holdwatch of this folder watched, on this boot. A deadline that cannot be read has passed. */
static void read_mirror(void) {
  FILE *file = fopen("holdwatch.state", "re");
  char line[LINE_BYTES], *words[4];
  bool is_ours = false;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = 0;
    char *rest = line;
    for (unsigned i = 0; i < 4; i++) words[i] = rest == NULL ? NULL : strsep(&rest, " ");
    if (words[2] == NULL) continue;
    if (!is_ours && (strcmp(words[0], "holdwatch") != 0 || strcmp(words[2], boot_id) != 0)) break;
    if (!is_ours) {
      is_ours = true;
      continue;
    }
    int64_t ignored;
    const char *const paths[PATHS] = {words[2], words[3] == NULL ? "" : words[3]};
    if (*watch(words[0], parse_ms(words[1], &ignored) ? words[1] : "0", paths) == 0) say("0", "found", words[0]);
  }
  if (file != NULL) fclose(file);
}

/*
 * One holdwatch a folder: the newest. The one before may be stopped or hang, so it is not asked but killed. The kernel
 * names the holder of the lock, and names it again once it is pinned by a descriptor: no other process can be meant.
 */
static bool take_over(void) {
  int fd = open("holdwatch.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  for (int attempt = 0; fd >= 0 && attempt < 100; attempt++) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &lock) == 0) return true;
    struct flock holder = {.l_type = F_WRLCK, .l_whence = SEEK_SET}, again = holder;
    if (fcntl(fd, F_GETLK, &holder) != 0 || holder.l_type == F_UNLCK || holder.l_pid <= 0) continue;
    int pidfd = (int)syscall(SYS_pidfd_open, holder.l_pid, 0);
    bool is_same = fcntl(fd, F_GETLK, &again) == 0 && again.l_type != F_UNLCK && again.l_pid == holder.l_pid;
    if (pidfd >= 0 && is_same) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    poll(&ended, 1, 100);
    if (pidfd >= 0) close(pidfd);
  }
  return false;
}

static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer"};

/* Into a cgroup that nobody else freezes, or out of it again; where this user may. */
static void move_self(bool in) {
  char path[PATH_BYTES];
  for (unsigned i = 0; i < sizeof roots / sizeof *roots; i++) {
    snprintf(path, sizeof path, "%s/cgroup.procs", roots[i]);
    if (access(path, W_OK) != 0) continue;
    if (!in) write_text(path, "0");
    snprintf(path, sizeof path, "%s/holdwatch", roots[i]);
    if (!in && rmdir(path) != 0) continue;
    if (!in || (mkdir(path, 0755) != 0 && errno != EEXIST)) continue;
    strcat(path, "/cgroup.procs");
    write_text(path, "0");
  }
}

/* As far as this user may: memory that stays, a first turn on the processor, and no end by a stray signal. */
static void protect(void) {
  const struct sched_param first = {.sched_priority = 1};
  static const int ignored[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM};
  mlockall(MCL_CURRENT | MCL_FUTURE);
  sched_setscheduler(0, SCHED_FIFO, &first);
  write_text("/proc/self/oom_score_adj", "-1000");
  for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  move_self(true);
}

int main(int argc, char **argv) {
  syscall(SYS_close_range, 3u, ~0u, 0u); /* it outlives its parents, and would hold what they left open */
  if (argc != 2 || chdir(argv[1]) != 0 || !take_over()) {
    perror("holdwatch STATE-DIRECTORY");
    return 1;
  }
  int id = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (id < 0 || read(id, boot_id, 36) != 36) return 1;
  close(id);
  int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer < 0) return 1;
  protect();
  fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
  read_mirror();
  write_mirror();
  say("0", "ready", "");
  for (bool has_agent = true;;) {
    int64_t next = step_all();
    if (must_mirror || (has_changed && boot_ms() - mirrored_at_ms >= MIRROR_MS)) {
      if (write_mirror()) continue;
    }
    if (!has_agent && !watches_any()) break; /* also with a mirror that can be written no more */
    struct itimerspec at = {0};
    if (next < INT64_MAX) at.it_value = (struct timespec){.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000 + 1};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    if (said_length > 0) flush_said();
    short input = said_length < SAID_BYTES / 2 ? POLLIN : 0, output = said_length > 0 ? POLLOUT : 0;
    struct pollfd awaited[3] = {{.fd = timer, .events = POLLIN},
                                {.fd = has_agent && input != 0 ? STDIN_FILENO : -1, .events = input},
                                {.fd = has_agent && output != 0 ? STDOUT_FILENO : -1, .events = output}};
    poll(awaited, 3, -1);
    if (awaited[1].revents != 0) has_agent = read_lines();
  }
  flush_said();
  move_self(false);
  return 0;
}
