#include "holdfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLY_HEADER_BYTES 9u      /* u32 length, u32 id, u8 status */
#define BUFFER_KEPT_BYTES (1u << 20) /* a larger buffer is given back after its frame */

static uint8_t *frame;
static size_t frame_capacity;

/* Numbers on the wire are little-endian; so is every machine this is built for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are copied as they lie in memory");

/* True when all bytes came; false at the end of input before the first of them. A signal may end the process here. */
static bool read_exactly(void *into, size_t length) {
  size_t got = 0;
  signals_block(false);
  while (got < length) {
    ssize_t n = read(STDIN_FILENO, (uint8_t *)into + got, length - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += (size_t)n;
  }
  signals_block(true);
  return got == length;
}

bool frame_read(uint32_t *id, uint8_t *op, struct request *request) {
  uint8_t header[9];
  uint32_t length;
  if (!read_exactly(header, sizeof header)) return false;
  memcpy(&length, header, 4);
  memcpy(id, header + 4, 4);
  *op = header[8];
  if (length < 5 || length > FRAME_BYTES_MAX) malformed("frame length");
  size_t payload = length - 5;
  if (frame_capacity > BUFFER_KEPT_BYTES || frame_capacity < payload) {
    free(frame);
    frame_capacity = payload;
    frame = malloc(payload + 1);
    if (frame == NULL) malformed("frame exceeds memory");
  }
  if (!read_exactly(frame, payload)) return false;
  request->at = frame;
  request->left = payload;
  return true;
}

void reply_reset(struct reply *reply) {
  if (reply->capacity > BUFFER_KEPT_BYTES) {
    free(reply->bytes);
    reply->bytes = NULL;
    reply->capacity = 0;
  }
  reply->length = REPLY_HEADER_BYTES;
  reply->overflow = false;
  reply->step = "";
}

bool frame_write(struct reply *reply, uint32_t id, uint8_t status) {
  put_bytes(reply, "", 0); /* makes the room of an empty reply */
  if (reply->bytes == NULL) return false;
  uint32_t length = (uint32_t)reply->length - 4;
  memcpy(reply->bytes, &length, 4);
  memcpy(reply->bytes + 4, &id, 4);
  reply->bytes[8] = status;
  size_t sent = 0;
  signals_block(false);
  while (sent < reply->length) {
    ssize_t n = write(STDOUT_FILENO, reply->bytes + sent, reply->length - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    sent += (size_t)n;
  }
  signals_block(true);
  return sent == reply->length;
}

static const uint8_t *take(struct request *request, size_t length) {
  if (request->left < length) malformed("payload ends early");
  const uint8_t *at = request->at;
  request->at += length;
  request->left -= length;
  return at;
}

uint8_t take_u8(struct request *request) { return *take(request, 1); }

uint32_t take_u32(struct request *request) {
  uint32_t value;
  memcpy(&value, take(request, sizeof value), sizeof value);
  return value;
}

uint64_t take_u64(struct request *request) {
  uint64_t value;
  memcpy(&value, take(request, sizeof value), sizeof value);
  return value;
}

const uint8_t *take_bytes(struct request *request, uint32_t *length) {
  *length = take_u32(request);
  return take(request, *length);
}

const char *take_string(struct request *request) {
  uint32_t length;
  const char *text = (const char *)take_bytes(request, &length);
  if (take_u8(request) != 0 || strlen(text) != length) malformed("string with a zero byte, or without its end");
  return text;
}

void take_end(struct request *request) {
  if (request->left != 0) malformed("payload has bytes left over");
}

void put_bytes(struct reply *reply, const void *bytes, size_t length) {
  if (reply->overflow) return;
  if (length > FRAME_BYTES_MAX || reply->length + length > FRAME_BYTES_MAX) {
    reply->overflow = true;
    return;
  }
  size_t needed = reply->length + length;
  if (needed > reply->capacity) {
    size_t capacity = needed * 2 < 4096 ? 4096 : needed * 2;
    uint8_t *grown = realloc(reply->bytes, capacity);
    if (grown == NULL) {
      reply->overflow = true;
      return;
    }
    reply->bytes = grown;
    reply->capacity = capacity;
  }
  memcpy(reply->bytes + reply->length, bytes, length);
  reply->length = needed;
}

void put_u8(struct reply *reply, uint8_t value) { put_bytes(reply, &value, sizeof value); }
void put_u32(struct reply *reply, uint32_t value) { put_bytes(reply, &value, sizeof value); }
void put_u64(struct reply *reply, uint64_t value) { put_bytes(reply, &value, sizeof value); }

void put_sized(struct reply *reply, const void *bytes, size_t length) {
  put_u32(reply, (uint32_t)length);
  put_bytes(reply, bytes, length);
}

int failed(struct reply *reply, const char *step) {
  reply->step = step;
  return errno;
}
