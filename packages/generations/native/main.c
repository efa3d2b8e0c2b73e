/*
 * A resident child of the storage engine that answers requests on standard input, in order, on standard output.
 *
 *   request   u32 length of what follows · u32 id · u8 operation · payload
 *   reply     u32 length of what follows · u32 id · u8 status · payload
 *             status 0: the operation's result; status 1: u32 errno, then the name of the step that failed
 *
 * Numbers are little-endian. A string is u32 length, its bytes, one zero byte; paths are raw bytes and absolute.
 * A malformed request ends the process with status 2: its writer and this program disagree about the format.
 *
 * What is frozen is thawed again by this process, whatever happens to its parent: at the end of input, when nobody
 * reads the replies, and on SIGTERM, SIGINT and SIGHUP. Signals wait while a request is carried out.
 */
#include "holdfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int op_hello(struct request *request, struct reply *reply) {
  take_end(request);
  put_u32(reply, PROTOCOL_VERSION);
  return 0;
}

/* By operation number; src/holdfs/operations.ts holds the other side. */
static operation *const OPERATIONS[] = {
    [0] = op_hello,
    [1] = op_syncfs,
    [2] = op_read_xattrs,
    [3] = op_data_ranges,
    [4] = op_apply_attributes,
    [5] = op_capture,
    [6] = op_freeze,
    [7] = op_thaw,
    [8] = op_subvolume_create,
    [9] = op_subvolume_snapshot,
    [10] = op_subvolume_delete,
    [11] = op_is_subvolume_root,
    [12] = op_subvolume_state,
    [13] = op_send_no_data,
    [14] = op_exchange,
    [15] = op_reflink,
    [16] = op_quota_limit,
    [17] = op_list_directories,
    [18] = op_quota_used,
    [19] = op_mount_subvolume,
    [20] = op_unmount,
};

__attribute__((noreturn)) static void leave(int status) {
  thaw_from(0);
  _exit(status);
}

void malformed(const char *what) {
  fprintf(stderr, "holdfs: malformed request: %s\n", what);
  leave(2);
}

static void ending_signals(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGHUP);
}

void signals_block(bool block) {
  sigset_t set;
  ending_signals(&set);
  sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* Runs only between requests, while a read or a write waits: the table of frozen things is whole then. */
static void on_ending_signal(int number) {
  (void)number;
  leave(0);
}

static void prepare_process(void) {
  struct sigaction action = {.sa_handler = on_ending_signal};
  ending_signals(&action.sa_mask);
  signals_block(true);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* the bound of op_send_no_data is answered as EFBIG */

  /* A frozen workload needs its thawer alive: not the victim of an out-of-memory kill. Refused to a plain user. */
  int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (oom >= 0) {
    if (write(oom, "-1000", 5) < 0) errno = 0;
    close(oom);
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  if (chdir("/") != 0) errno = 0; /* or this process would hold the parent's directory busy */
}

int main(void) {
  struct reply reply = {0};
  struct request request;
  uint32_t id;
  uint8_t op;
  prepare_process();
  while (frame_read(&id, &op, &request)) {
    reply_reset(&reply);
    reply.step = "operation";
    bool known = op < sizeof OPERATIONS / sizeof OPERATIONS[0];
    int error = known ? OPERATIONS[op](&request, &reply) : ENOSYS;
    if (error == 0 && reply.overflow) {
      error = EMSGSIZE;
      reply.step = "reply";
    }
    if (error != 0) {
      const char *step = reply.step;
      reply_reset(&reply);
      put_u32(&reply, (uint32_t)error);
      put_bytes(&reply, step, strlen(step));
    }
    if (!frame_write(&reply, id, error == 0 ? 0 : 1)) break;
  }
  leave(0);
}
