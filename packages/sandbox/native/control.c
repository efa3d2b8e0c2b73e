/*
 * The host's connection. One at a time: whoever proves the nonce takes over from the one before.
 *
 *   frame   u8 type · u8 flags · u16 0 · u32 id · u32 length · payload
 *
 * What is said is bounded: channels speak while less than half of the buffer is taken, requests are read while less than
 * three quarters are, and each of those answers with less than the last quarter.
 */
#include "holdinit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_BYTES (1u << 20)
#define IN_BYTES (2 * PAYLOAD_BYTES_MAX)
#define FLAG_MORE 1u /* of F_EXEC: its request goes on in the next frame */
#define FLAG_END 1u  /* of F_INPUT: no more follows */

static uint8_t words[2 * WORD_BYTES]; /* the host's, then ours */
static uint8_t out[OUT_BYTES], in[IN_BYTES];
static size_t out_head, out_tail, in_length;
static uint8_t *request; /* of a command, as far as it has come */
static size_t request_length;
static uint32_t request_id;
static bool is_readable, is_writable;

static void on_listener(struct source *source, uint32_t events);
static void on_candidate(struct source *source, uint32_t events);
static void on_control(struct source *source, uint32_t events);
static struct source listener = {-1, NULL, on_listener};
static struct source candidate = {-1, NULL, on_candidate};
static struct source control = {-1, NULL, on_control};

bool control_connected(void) { return control.fd >= 0; }

bool out_has_room(void) { return out_tail - out_head <= OUT_BYTES / 2; }

/* Room for `bytes` in one piece, at most those of one frame. */
uint8_t *out_space(size_t bytes) {
  if (OUT_BYTES - out_tail < bytes) {
    memmove(out, out + out_head, out_tail - out_head);
    out_tail -= out_head;
    out_head = 0;
  }
  return out + out_tail;
}

static void put_header(uint8_t *at, uint8_t type, uint8_t flags, uint32_t id, size_t bytes) {
  const uint8_t head[4] = {type, flags, 0, 0};
  const uint32_t rest[2] = {id, (uint32_t)bytes};
  memcpy(at, head, 4);
  memcpy(at + 4, rest, 8);
}

/* The bytes lie where out_space has shown, behind a header's room. */
void out_output(struct channel *channel, uint8_t stream, size_t bytes) {
  put_header(out + out_tail, F_OUTPUT, stream, channel->id, bytes);
  out_tail += HEADER_BYTES + bytes;
}

void send_frame(uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t bytes) {
  if (control.fd < 0) return;
  uint8_t *at = out_space(HEADER_BYTES + bytes);
  put_header(at, type, flags, id, bytes);
  if (bytes > 0) memcpy(at + HEADER_BYTES, payload, bytes);
  out_tail += HEADER_BYTES + bytes;
}

static void forget_request(void) {
  free(request);
  request = NULL;
  request_length = 0;
}

static void control_lost(void) {
  close_source(&control);
  out_head = out_tail = in_length = 0;
  forget_request();
  channels_detach();
  guest_refuse_all();
}

static void send_welcome(void) {
  uint8_t payload[4 + WORD_BYTES + 16 + 4];
  const uint32_t version = PROTOCOL_VERSION, pid = (uint32_t)getpid();
  const uint64_t clock[2] = {boot_ms(), deadline()};
  memcpy(payload, &version, 4);
  memcpy(payload + 4, words + WORD_BYTES, WORD_BYTES);
  memcpy(payload + 4 + WORD_BYTES, clock, 16);
  memcpy(payload + 20 + WORD_BYTES, &pid, 4);
  send_frame(F_WELCOME, 0, 0, payload, sizeof payload);
}

/* In as many frames as it takes, the last one without FLAG_MORE. */
static void send_list(void) {
  static uint8_t payload[PAYLOAD_BYTES_MAX];
  size_t length = 0;
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    if (channel->is_stream || channel->dead) continue;
    const uint32_t numbers[3] = {channel->id, (uint32_t)channel->pid, channel->error};
    const uint8_t bytes[4] = {(uint8_t)channel->state, channel->how, channel->value, channel->is_terminal};
    size_t marker = strlen(channel->marker) + 1;
    memcpy(payload + length, numbers, 12);
    memcpy(payload + length + 12, bytes, 4);
    memcpy(payload + length + 16, &channel->sent, 8);
    memcpy(payload + length + 24, channel->marker, marker);
    length += 24 + marker;
  }
  send_frame(F_LISTED, 0, 0, payload, length);
}
_Static_assert(CHANNELS_MAX * (24 + MARKER_BYTES_MAX + 1) <= PAYLOAD_BYTES_MAX, "the list fits in one frame");

static struct channel *new_channel(uint32_t id) {
  struct channel *channel = channel_new(id);
  if (channel == NULL) {
    const uint32_t failure[2] = {S_TABLE, EAGAIN};
    send_frame(F_FAILED, 0, id, failure, sizeof failure);
  }
  return channel;
}

/* False: the connection is closed, as its peer and this program disagree about the format. */
static bool take_exec(uint32_t id, uint8_t flags, const uint8_t *payload, size_t length) {
  if (request_length == 0 && channel_find(id) != NULL) return false;
  if (request_length > 0 && id != request_id) return false;
  if (request_length + length > REQUEST_BYTES_MAX) return false;
  uint8_t *grown = realloc(request, request_length + length + 1);
  if (grown == NULL) return false;
  memcpy(grown + request_length, payload, length);
  request = grown;
  request_id = id;
  request_length += length;
  if ((flags & FLAG_MORE) != 0) return request_length > 0;
  struct channel *channel = new_channel(id);
  if (channel != NULL) command_start(channel, request, request_length);
  forget_request();
  return true;
}

static bool take_connect(uint32_t id, const uint8_t *payload, size_t length) {
  if (length != 6 || channel_find(id) != NULL) return false;
  struct channel *channel = new_channel(id);
  if (channel == NULL) return true;
  channel->is_stream = true;
  memcpy(&channel->credit, payload, 4);
  memcpy(&channel->port, payload + 4, 2);
  stream_connect(channel);
  return true;
}

static bool take_extend(uint32_t id, const uint8_t *payload, size_t length) {
  if (length != 8) return false;
  uint64_t clock[2];
  memcpy(&clock[1], payload, 8);
  set_deadline(clock[1]);
  clock[0] = boot_ms();
  send_frame(F_EXTENDED, 0, id, clock, sizeof clock);
  return true;
}

static void signal_group(struct channel *channel, uint32_t number) {
  if (channel->is_stream) return;
  command_take_report(channel); /* the pid of an ended command may be another's */
  if (channel->state == RUNNING && number > 0 && number < 65) kill(-channel->pid, (int)number);
}

/* A frame for a channel that is gone crossed with its end. */
static bool take_for_channel(uint8_t type, uint8_t flags, uint32_t id, const uint8_t *payload, size_t length) {
  static const uint8_t LENGTHS[] = {[F_CREDIT] = 4, [F_RESIZE] = 4, [F_SIGNAL] = 4, [F_ATTACH] = 4, [F_KILL] = 0, [F_RELEASE] = 0};
  struct channel *channel = channel_find(id);
  uint32_t number = 0;
  uint16_t size[2];
  if (type != F_INPUT && length != LENGTHS[type]) return false;
  if (channel == NULL) return true;
  if (type == F_INPUT) return channel_input(channel, payload, length, (flags & FLAG_END) != 0);
  memcpy(&number, payload, length);
  memcpy(size, &number, 4);
  switch (type) {
    case F_CREDIT:
      return !__builtin_add_overflow(channel->credit, number, &channel->credit);
    case F_RESIZE:
      terminal_resize(channel, size[0], size[1]);
      return true;
    case F_SIGNAL:
      signal_group(channel, number);
      return true;
    case F_KILL:
      if (channel->keeper > 0) kill(channel->keeper, SIGTERM);
      return true;
    case F_RELEASE:
      channel_release(channel);
      return true;
    default:
      channel->attached = true;
      channel->credit = number;
      return true;
  }
}

static bool take_frame(uint8_t type, uint8_t flags, uint32_t id, const uint8_t *payload, size_t length) {
  if (request_length > 0 && type != F_EXEC) return false;
  switch (type) {
    case F_EXEC:
      return take_exec(id, flags, payload, length);
    case F_CONNECT:
      return take_connect(id, payload, length);
    case F_EXTEND:
      return take_extend(id, payload, length);
    case F_LIST:
      send_list();
      return length == 0;
    case F_ANSWER:
      if (length > 0) guest_answer(id, payload[0], payload + 1, length - 1);
      return length > 0;
    case F_INPUT: case F_CREDIT: case F_RESIZE: case F_SIGNAL: case F_KILL: case F_RELEASE: case F_ATTACH:
      return take_for_channel(type, flags, id, payload, length);
    default:
      return false;
  }
}

/* Carries out what has come; false on a frame that is none. */
static bool take_frames(void) {
  size_t at = 0;
  bool is_sound = true;
  while (is_sound && in_length - at >= HEADER_BYTES && out_tail - out_head <= OUT_BYTES / 4 * 3) {
    uint32_t id, length;
    memcpy(&id, in + at + 4, 4);
    memcpy(&length, in + at + 8, 4);
    if (length > PAYLOAD_BYTES_MAX) return false;
    if (in_length - at < HEADER_BYTES + length) break;
    is_sound = take_frame(in[at], in[at + 1], id, in + at + HEADER_BYTES, length);
    at += HEADER_BYTES + length;
    channels_sweep(); /* a released id may be used again at once */
  }
  in_length -= at;
  memmove(in, in + at, in_length);
  return is_sound;
}

/* True when there was no room and now there is: who waited for it gets another turn. */
bool control_flush(void) {
  bool had_room = out_has_room();
  while (control.fd >= 0 && is_writable && out_head < out_tail) {
    ssize_t n = send(control.fd, out + out_head, out_tail - out_head, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) is_writable = false;
    else if (n < 0) control_lost();
    else out_head += (size_t)n;
  }
  if (out_head == out_tail) out_head = out_tail = 0;
  return !had_room && out_has_room();
}

/* One turn: as much of what the host says as there is room to answer. True when there may be more. */
bool control_work(void) {
  if (control.fd >= 0 && is_readable && in_length < IN_BYTES) {
    ssize_t n = read(control.fd, in + in_length, IN_BYTES - in_length);
    if (n > 0) in_length += (size_t)n;
    if (n < 0 && errno == EAGAIN) is_readable = false;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
      control_lost();
      return false;
    }
  }
  if (control.fd >= 0 && in_length > 0 && !take_frames()) control_lost();
  return control.fd >= 0 && is_readable && in_length < IN_BYTES;
}

static void on_control(struct source *source, uint32_t events) {
  (void)source;
  if ((events & ~(uint32_t)EPOLLOUT) != 0) is_readable = true;
  if ((events & EPOLLOUT) != 0) is_writable = true;
}

static bool is_proven(const uint8_t *hello) {
  const uint32_t version = PROTOCOL_VERSION;
  uint8_t difference = 0;
  uint8_t header[HEADER_BYTES];
  put_header(header, F_HELLO, 0, 0, 4 + WORD_BYTES);
  for (size_t i = 0; i < WORD_BYTES; i++) difference |= hello[HEADER_BYTES + 4 + i] ^ words[i];
  return difference == 0 && memcmp(hello, header, HEADER_BYTES) == 0 && memcmp(hello + HEADER_BYTES, &version, 4) == 0;
}

/* The first bytes of a connection: whole, right, and in one piece, or it is closed. */
static void on_candidate(struct source *source, uint32_t events) {
  uint8_t hello[HEADER_BYTES + 4 + WORD_BYTES];
  (void)events;
  if (source->fd < 0) return;
  ssize_t n = recv(source->fd, hello, sizeof hello, 0);
  if (n != (ssize_t)sizeof hello || !is_proven(hello)) {
    close_source(source);
    return;
  }
  int fd = dup(source->fd);
  close_source(source);
  if (control.fd >= 0) control_lost();
  control.fd = fd;
  is_readable = is_writable = true;
  watch(&control, EPOLLIN | EPOLLOUT);
  send_welcome();
}

/* A peer outside of this pid namespace has no pid in it. */
static bool is_welcome(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
  if (options.peer == PEER_OUTSIDE) return peer.pid == 0;
  return options.peer == PEER_ANY || peer.uid == geteuid() || peer.uid == 0;
}

static void on_listener(struct source *source, uint32_t events) {
  (void)events;
  for (int fd; (fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    if (!is_welcome(fd)) {
      close(fd);
      continue;
    }
    close_source(&candidate);
    candidate.fd = fd;
    watch(&candidate, EPOLLIN);
  }
}

/* The nonce is read once and removed, or comes through a descriptor (fd:N): nothing that runs here later finds it. */
void control_read_nonce(void) {
  int inherited = -1;
  bool is_file = sscanf(options.nonce, "fd:%d", &inherited) != 1;
  int file = is_file ? open(options.nonce, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : inherited;
  if (file < 0 || read(file, words, sizeof words) != (ssize_t)sizeof words) report_start_failure("nonce");
  close(file);
  if (is_file && unlink(options.nonce) < 0) report_start_failure("removing the nonce");
}

void control_open(void) {
  listener.fd = listen_at(options.control, 8, 0600);
  watch(&listener, EPOLLIN);
}
