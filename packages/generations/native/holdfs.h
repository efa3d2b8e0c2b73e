/* holdfs: the system calls that the storage engine needs and its runtime lacks. See main.c for the protocol. */
#ifndef HOLDFS_H
#define HOLDFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROTOCOL_VERSION 4u
#define FRAME_BYTES_MAX (64u << 20) /* of one frame, its length word not counted */

/* The unread rest of one request. Every read checks the bytes left: a short payload ends the process (exit 2). */
struct request {
  const uint8_t *at;
  size_t left;
};

/* The reply under construction; `step` names the system call that failed. */
struct reply {
  uint8_t *bytes;
  size_t length, capacity;
  bool overflow; /* it would exceed FRAME_BYTES_MAX */
  const char *step;
};

/* An operation answers 0, or an errno with reply->step set; it reads its request to the end before it acts. */
typedef int operation(struct request *request, struct reply *reply);

/* frames.c */
bool frame_read(uint32_t *id, uint8_t *op, struct request *request); /* false: end of input */
bool frame_write(struct reply *reply, uint32_t id, uint8_t status);  /* false: nobody reads */
void reply_reset(struct reply *reply);
uint8_t take_u8(struct request *request);
uint32_t take_u32(struct request *request);
uint64_t take_u64(struct request *request);
const uint8_t *take_bytes(struct request *request, uint32_t *length);
const char *take_string(struct request *request); /* ends in a zero byte inside the frame, has none before */
void take_end(struct request *request);
void put_u8(struct reply *reply, uint8_t value);
void put_u32(struct reply *reply, uint32_t value);
void put_u64(struct reply *reply, uint64_t value);
void put_bytes(struct reply *reply, const void *bytes, size_t length);
void put_sized(struct reply *reply, const void *bytes, size_t length); /* u32 length, then the bytes */
int failed(struct reply *reply, const char *step);                     /* errno, with its step noted */

/* main.c */
__attribute__((noreturn)) void malformed(const char *what);
void signals_block(bool block);

/* files.c */
operation op_syncfs, op_read_xattrs, op_data_ranges, op_apply_attributes, op_exchange, op_reflink;
int open_directory(const char *path);

/* survey.c */
operation op_list_directories;

/* btrfs.c */
operation op_subvolume_create, op_subvolume_snapshot, op_subvolume_delete, op_is_subvolume_root;
operation op_subvolume_state, op_send_no_data, op_quota_limit, op_quota_used;
int snapshot_create(int parent_fd, const char *name, int source_fd, bool read_only);

/* mounts.c */
operation op_mount_subvolume, op_unmount;

/* freeze.c */
operation op_freeze, op_thaw;
struct freeze_list {
  const char *const *cgroups;
  const uint32_t *pids;
  uint32_t cgroup_count, pid_count;
};
int take_freeze_list(struct request *request, struct reply *reply, struct freeze_list *list);
unsigned holds_mark(void);
int freeze_listed(struct reply *reply, const struct freeze_list *list, uint32_t timeout_ms, uint32_t *already_frozen);
int thaw_from(unsigned mark); /* async-signal-safe */
uint64_t monotonic_ns(void);

/* capture.c */
operation op_capture;

#endif
