/*
 * The socket for user code: one line in (`sync` or `status`), the exit code as a line and a text out. Everything that
 * connects here may be hostile. And the other end of it, the command `hold`.
 */
#include "holdinit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define LINE_BYTES_MAX 16
#define LINE_MS 5000u
#define CALLS_A_SECOND 20
#define CALLS_AT_ONCE 40
#define EXIT_USAGE 2
#define EXIT_LATER 75
#define EXIT_PLATFORM 125

/* `call` 0: its line has not come yet. */
struct client {
  struct source source;
  uint32_t call;
  uint64_t until_ms;
  size_t length;
  char line[LINE_BYTES_MAX];
};

static const char *const CALLS[] = {"sync\n", "status\n"};
static struct client clients[CLIENTS_MAX];
static uint32_t last_call;
static uint64_t tokens = CALLS_AT_ONCE * 1000, filled_ms; /* in thousandths of a call */

static bool may_wait; /* somebody may have connected for whom there was no place */
static void on_listener(struct source *source, uint32_t events);
static struct source listener = {-1, NULL, on_listener};

static void answer(struct client *client, uint8_t exit_code, const char *text, size_t length) {
  char head[8];
  int head_length = snprintf(head, sizeof head, "%u\n", exit_code);
  /* an empty socket buffer takes both; who does not read has only harmed itself */
  if (send(client->source.fd, head, (size_t)head_length, MSG_NOSIGNAL | MSG_MORE) == head_length) {
    if (send(client->source.fd, text, length, MSG_NOSIGNAL) < 0) errno = 0;
  }
  close_source(&client->source);
}

static void answer_text(struct client *client, uint8_t exit_code, const char *text) {
  answer(client, exit_code, text, strlen(text));
}

static bool take_token(void) {
  uint64_t now = boot_ms();
  tokens += (now - filled_ms) * CALLS_A_SECOND;
  if (tokens > CALLS_AT_ONCE * 1000) tokens = CALLS_AT_ONCE * 1000;
  filled_ms = now;
  if (tokens < 1000) return false;
  tokens -= 1000;
  return true;
}

static void take_line(struct client *client) {
  for (uint8_t kind = 0; kind < sizeof CALLS / sizeof *CALLS; kind++) {
    if (strlen(CALLS[kind]) != client->length || memcmp(CALLS[kind], client->line, client->length) != 0) continue;
    if (!control_connected() || !out_has_room()) {
      answer_text(client, EXIT_LATER, "the host is not there now: try again\n");
    } else if (!take_token()) {
      answer_text(client, EXIT_LATER, "too many requests: try again in a second\n");
    } else {
      if (++last_call == 0) last_call = 1;
      client->call = last_call;
      send_frame(F_CALL, 0, client->call, &kind, 1);
    }
    return;
  }
  answer_text(client, EXIT_USAGE, "unknown request\n");
}

static void on_client(struct source *source, uint32_t events) {
  struct client *client = source->owner;
  if (source->fd < 0) return;
  if (client->call != 0) { /* it waits for its answer: all that can come is its end */
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) close_source(source);
    return;
  }
  while (client->call == 0 && source->fd >= 0) {
    ssize_t n = read(source->fd, client->line + client->length, LINE_BYTES_MAX - client->length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) client->length += (size_t)n;
    bool is_whole = memchr(client->line, '\n', client->length) != NULL || client->length == LINE_BYTES_MAX;
    if (n > 0 && is_whole) take_line(client);
    if (n <= 0) close_source(source);
  }
}

/* While all places are taken nobody more is accepted: who connects waits in the socket's own short queue. */
static void on_listener(struct source *source, uint32_t events) {
  (void)events;
  may_wait = true;
  for (size_t i = 0; i < CLIENTS_MAX; i++) {
    if (clients[i].source.fd >= 0) continue;
    int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) may_wait = false;
    if (fd < 0) return;
    clients[i] = (struct client){.source = {fd, &clients[i], on_client}, .until_ms = boot_ms() + LINE_MS};
    watch(&clients[i].source, EPOLLIN);
  }
}

void guest_answer(uint32_t call, uint8_t exit_code, const uint8_t *text, size_t length) {
  for (size_t i = 0; i < CLIENTS_MAX; i++) {
    if (clients[i].source.fd >= 0 && clients[i].call == call && call != 0) {
      answer(&clients[i], exit_code, (const char *)text, length);
    }
  }
}

/* The host that was asked is gone: whether it did what was asked is not known. */
void guest_refuse_all(void) {
  for (size_t i = 0; i < CLIENTS_MAX; i++) {
    if (clients[i].source.fd >= 0 && clients[i].call != 0) {
      answer_text(&clients[i], EXIT_LATER, "the host went away: try again\n");
    }
  }
}

uint64_t guest_next_ms(void) {
  uint64_t next = UINT64_MAX;
  for (size_t i = 0; i < CLIENTS_MAX; i++) {
    if (clients[i].source.fd >= 0 && clients[i].call == 0 && clients[i].until_ms < next) next = clients[i].until_ms;
  }
  return next;
}

/* Closes who says nothing, and accepts who waits for the places. */
void guest_sweep(void) {
  if (guest_next_ms() <= boot_ms()) {
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
      if (clients[i].source.fd >= 0 && clients[i].call == 0 && clients[i].until_ms <= boot_ms()) {
        close_source(&clients[i].source);
      }
    }
  }
  if (may_wait) on_listener(&listener, 0);
}

void guest_open(void) {
  for (size_t i = 0; i < CLIENTS_MAX; i++) clients[i].source.fd = -1;
  filled_ms = boot_ms();
  listener.fd = listen_at(options.guest, CLIENTS_MAX, 0666);
  watch(&listener, EPOLLIN);
}

/* What fsync of no file is answered with tells whether the kernel carries it out here. */
static int print_fsync_policy(void) {
  puts(fsync(-1) == 0 ? "relaxed" : "native");
  return 0;
}

/* hold sync|status: prints the answer's text, exits with its code. */
int hold_main(int argc, char **argv) {
  const char *path = getenv("HOLDFAST_GUEST_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc == 2 && strcmp(argv[1], "fsync") == 0) return print_fsync_policy();
  if (argc != 2 || (strcmp(argv[1], "sync") != 0 && strcmp(argv[1], "status") != 0)) {
    fputs("usage: hold sync     make everything in /workspace durable, and wait for it\n"
          "       hold status   say what is durable\n"
          "       hold fsync    say whether fsync waits for the disk: native, or relaxed\n", stderr);
    return EXIT_USAGE;
  }
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path == NULL ? "/run/holdfast/guest.sock" : path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  FILE *stream = fd < 0 ? NULL : fdopen(fd, "r+");
  if (stream == NULL || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    fprintf(stderr, "hold: %s: %s\n", address.sun_path, strerror(errno));
    return EXIT_PLATFORM;
  }
  int code;
  if (dprintf(fd, "%s\n", argv[1]) < 0 || fscanf(stream, "%d", &code) != 1 || fgetc(stream) != '\n') {
    fputs("hold: no answer\n", stderr);
    return EXIT_PLATFORM;
  }
  for (int c; (c = fgetc(stream)) != EOF;) putchar(c);
  return fflush(stdout) == 0 ? code : EXIT_PLATFORM;
}
