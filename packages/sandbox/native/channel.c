/* Bytes in both directions, of commands and of connections to ports, each within its credit. */
#include "holdinit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define END_OF_INPUT 4 /* what a person types on a terminal: control-D */

struct channel *channels;
static int channels_open;

struct channel *channel_find(uint32_t id) {
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    if (channel->id == id && !channel->dead) return channel;
  }
  return NULL;
}

/* NULL when there are as many as may be, or there is no memory for one. */
struct channel *channel_new(uint32_t id) {
  struct channel *channel = channels_open < CHANNELS_MAX ? calloc(1, sizeof *channel) : NULL;
  if (channel == NULL) return NULL;
  channel->id = id;
  channel->attached = true;
  struct source *sources[] = {&channel->input, &channel->output[0], &channel->output[1], &channel->report};
  for (size_t i = 0; i < 4; i++) *sources[i] = (struct source){.fd = -1, .owner = channel, .ready = channel_ready};
  channel->next = channels;
  channels = channel;
  channels_open++;
  return channel;
}

static void close_input(struct channel *channel) {
  if (channel->input.fd == channel->output[0].fd) channel->input.fd = -1;
  else close_source(&channel->input);
  free(channel->waiting);
  channel->waiting = NULL;
  channel->waiting_length = 0;
}

static void close_output(struct channel *channel, int i) {
  if (channel->input.fd == channel->output[i].fd) channel->input.fd = -1;
  close_source(&channel->output[i]);
}

void channel_fail(struct channel *channel, enum step step, int error) {
  close_input(channel);
  close_output(channel, 0);
  close_output(channel, 1);
  close_source(&channel->report);
  channel->state = FAILED;
  channel->how = (uint8_t)step;
  channel->error = (uint32_t)error;
}

/* Forgets a channel. A command that runs is killed with all that it started; what an ended one left runs on. */
void channel_release(struct channel *channel) {
  if (channel->state != ENDED && channel->keeper > 0) kill(channel->keeper, SIGTERM);
  close_input(channel);
  close_output(channel, 0);
  close_output(channel, 1);
  close_source(&channel->report);
  channel->dead = true;
}

/* The host is gone: commands go on until their pipes are full, connections have lost their other end. */
void channels_detach(void) {
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    channel->attached = channel->told_start = channel->told_end = false;
    channel->told_output_end = channel->told_input_closed = false;
    if (channel->is_stream) channel_release(channel);
  }
}

void channels_sweep(void) {
  for (struct channel **at = &channels; *at != NULL;) {
    struct channel *channel = *at;
    if (channel->dead) {
      *at = channel->next;
      channels_open--;
      free(channel);
    } else {
      at = &channel->next;
    }
  }
}

static void flush_input(struct channel *channel) {
  while (channel->waiting_length > 0) {
    ssize_t n = write(channel->input.fd, channel->waiting + channel->waiting_head, channel->waiting_length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      close_input(channel);
      return;
    }
    channel->waiting_head += (size_t)n;
    channel->waiting_length -= (size_t)n;
    channel->owed += (uint32_t)n;
  }
  if (!channel->input_ending || channel->input.fd < 0) return;
  if (channel->is_stream) shutdown(channel->input.fd, SHUT_WR);
  if (channel->is_terminal) {
    const char end = END_OF_INPUT;
    channel->input_ending = write(channel->input.fd, &end, 1) < 0 && errno == EAGAIN;
  } else {
    close_input(channel);
  }
}

/* False when the host sends more than it has credit for. */
bool channel_input(struct channel *channel, const uint8_t *bytes, size_t length, bool is_end) {
  if (channel->input.fd < 0 || channel->input_ending) return true; /* crossed with F_INPUT_CLOSED */
  if (channel->waiting == NULL) channel->waiting = malloc(INPUT_WINDOW_BYTES);
  if (channel->waiting == NULL) {
    close_input(channel);
    return true;
  }
  if (length > INPUT_WINDOW_BYTES - channel->waiting_length) return false;
  if (channel->waiting_head + channel->waiting_length + length > INPUT_WINDOW_BYTES) {
    memmove(channel->waiting, channel->waiting + channel->waiting_head, channel->waiting_length);
    channel->waiting_head = 0;
  }
  if (channel->waiting_length == 0) channel->waiting_head = 0;
  memcpy(channel->waiting + channel->waiting_head + channel->waiting_length, bytes, length);
  channel->waiting_length += length;
  channel->input_ending = is_end;
  if (channel->state != STARTING || !channel->is_stream) flush_input(channel);
  return true;
}

void terminal_resize(struct channel *channel, uint16_t columns, uint16_t rows) {
  struct winsize size = {.ws_col = columns, .ws_row = rows};
  if (channel->is_terminal && channel->output[0].fd >= 0) ioctl(channel->output[0].fd, TIOCSWINSZ, &size);
}

/* Tries 127.0.0.1, then ::1. */
void stream_connect(struct channel *channel) {
  struct sockaddr_in first = {.sin_family = AF_INET, .sin_port = htons(channel->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_in6 second = {.sin6_family = AF_INET6, .sin6_port = htons(channel->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  bool is_second = channel->is_second_address;
  close_output(channel, 0);
  int fd = socket(is_second ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int done = fd < 0 ? -1 : is_second ? connect(fd, (struct sockaddr *)&second, sizeof second)
                                     : connect(fd, (struct sockaddr *)&first, sizeof first);
  if (done < 0 && errno != EINPROGRESS) {
    int error = errno;
    if (fd >= 0) close(fd);
    if (is_second) {
      channel_fail(channel, S_CONNECT, (int)channel->error);
      return;
    }
    channel->error = (uint32_t)error; /* of the first address: the one that is promised */
    channel->is_second_address = true;
    stream_connect(channel);
    return;
  }
  channel->output[0].fd = channel->input.fd = fd;
  watch(&channel->output[0], EPOLLIN | EPOLLOUT);
}

static void stream_connected(struct channel *channel) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(channel->input.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) {
    channel->state = RUNNING;
    flush_input(channel);
  } else if (channel->is_second_address) {
    channel_fail(channel, S_CONNECT, (int)channel->error);
  } else {
    channel->error = (uint32_t)error;
    channel->is_second_address = true;
    stream_connect(channel);
  }
}

void channel_ready(struct source *source, uint32_t events) {
  struct channel *channel = source->owner;
  if (channel->dead || source->fd < 0) return;
  if (source == &channel->report) {
    command_take_report(channel);
    return;
  }
  if (channel->is_stream && channel->state == STARTING) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) stream_connected(channel);
    if (channel->state != RUNNING) return;
  }
  for (int i = 0; i < 2; i++) {
    if (source == &channel->output[i] && (events & ~(uint32_t)EPOLLOUT) != 0) channel->readable[i] = true;
  }
  if ((events & (EPOLLOUT | EPOLLERR)) != 0 && channel->input.fd >= 0) {
    flush_input(channel);
    /* nobody reads a pipe any more: to be told now, not at the next write */
    if (source == &channel->input && (events & EPOLLERR) != 0) close_input(channel);
  }
}

/* What is true of a channel and was not said yet. */
static void announce(struct channel *channel) {
  if (!channel->told_start && (channel->state == RUNNING || channel->state == ENDED)) {
    uint32_t pid = (uint32_t)channel->pid;
    send_frame(F_STARTED, 0, channel->id, &pid, 4);
    channel->told_start = true;
  }
  if (channel->state == FAILED) {
    uint32_t failure[2] = {channel->how, channel->error};
    send_frame(F_FAILED, 0, channel->id, failure, sizeof failure);
    channel_release(channel);
    return;
  }
  if (!channel->told_start) return;
  if (channel->owed > 0 && (channel->owed >= INPUT_WINDOW_BYTES / 4 || channel->waiting_length == 0)) {
    send_frame(F_INPUT_CREDIT, 0, channel->id, &channel->owed, 4);
    channel->owed = 0;
  }
  if (channel->input.fd < 0 && !channel->told_input_closed) {
    send_frame(F_INPUT_CLOSED, 0, channel->id, NULL, 0);
    channel->told_input_closed = true;
  }
  if (channel->state == ENDED && !channel->told_end) {
    uint8_t end[2] = {channel->how, channel->value};
    send_frame(F_ENDED, 0, channel->id, end, sizeof end);
    channel->told_end = true;
  }
}

static bool pump_output(struct channel *channel, int i) {
  struct source *source = &channel->output[i];
  size_t most = channel->credit < OUTPUT_BYTES_MAX ? channel->credit : OUTPUT_BYTES_MAX;
  if (channel->is_cut && (int)most > channel->cut_left[i]) most = (size_t)channel->cut_left[i];
  ssize_t n = 0;
  if (most > 0) {
    uint8_t *space = out_space(HEADER_BYTES + most);
    n = read(source->fd, space + HEADER_BYTES, most);
    if (n < 0 && errno == EAGAIN) channel->readable[i] = false;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  }
  if (n == 0 && channel->is_stream && channel->input.fd >= 0) { /* the other direction goes on */
    source->fd = -1;
    watch(&channel->input, EPOLLOUT);
    return true;
  }
  if (n <= 0) {
    close_output(channel, i);
    return true;
  }
  channel->credit -= (uint32_t)n;
  channel->sent += (uint64_t)n;
  channel->cut_left[i] -= channel->is_cut ? (int)n : 0;
  out_output(channel, channel->is_stream || channel->is_terminal ? 2 : (uint8_t)i, (size_t)n);
  return true;
}

/* What an ended command left may hold its pipes for ever. What is in them when the time is up still arrives. */
static void cut_output(struct channel *channel) {
  if (channel->is_cut || channel->state != ENDED || boot_ms() < channel->drain_until_ms) return;
  channel->is_cut = true;
  for (int i = 0; i < 2; i++) {
    if (channel->output[i].fd < 0) continue;
    channel->readable[i] = true;
    if (ioctl(channel->output[i].fd, FIONREAD, &channel->cut_left[i]) < 0) channel->cut_left[i] = 0;
    if (channel->cut_left[i] == 0) close_output(channel, i);
  }
}

static bool pump(struct channel *channel) {
  bool moved = false;
  announce(channel);
  if (channel->dead || !channel->told_start) return false;
  cut_output(channel);
  for (int i = 0; i < 2; i++) {
    if (channel->output[i].fd < 0 || !channel->readable[i] || channel->credit == 0 || !out_has_room()) continue;
    moved = pump_output(channel, i) || moved;
  }
  if (channel->output[0].fd < 0 && channel->output[1].fd < 0 && !channel->told_output_end) {
    send_frame(F_OUTPUT_END, 0, channel->id, NULL, 0);
    channel->told_output_end = true;
  }
  return moved;
}

/* One turn: from each channel that may, one read; so none waits for another's flood. True when there may be more. */
bool channels_pump(void) {
  bool moved = false;
  struct channel **last = &channels, *first = channels;
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    if (!channel->attached || channel->dead) continue;
    if (!out_has_room()) break;
    moved = pump(channel) || moved;
  }
  /* the first goes last, so that when room is short the turns begin with another */
  if (!moved || first == NULL || first->next == NULL) return moved;
  channels = first->next;
  while (*last != NULL) last = &(*last)->next;
  *last = first;
  first->next = NULL;
  return moved;
}

uint64_t channels_next_ms(void) {
  uint64_t next = UINT64_MAX;
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    bool is_open = channel->output[0].fd >= 0 || channel->output[1].fd >= 0;
    if (channel->state != ENDED || channel->is_cut || !is_open || !channel->attached) continue;
    if (channel->drain_until_ms < next) next = channel->drain_until_ms;
  }
  return next;
}
