#include "holdfs.h"

#include <errno.h>
#include <unistd.h>

enum capture_flag { STAY_FROZEN = 1 };

struct cut {
  int synced, source, parent; /* directories; -1: not asked for */
  const char *name;
  uint64_t sync_ns, snapshot_ns;
};

static int open_wanted(struct reply *reply, const char *path, int *fd, const char *step) {
  *fd = path[0] == 0 ? -1 : open_directory(path);
  return path[0] != 0 && *fd < 0 ? failed(reply, step) : 0;
}

static int take_cut(struct reply *reply, struct cut *cut) {
  uint64_t start = monotonic_ns();
  if (cut->synced >= 0 && syncfs(cut->synced) != 0) return failed(reply, "syncfs");
  uint64_t synced = monotonic_ns();
  if (cut->source >= 0 && snapshot_create(cut->parent, cut->name, cut->source, true) != 0)
    return failed(reply, "snapshot");
  cut->sync_ns = synced - start;
  cut->snapshot_ns = monotonic_ns() - synced;
  return 0;
}

/* Everything that can fail early does so before the freeze; every way out after it thaws. */
static int capture_frozen(struct reply *reply, const struct freeze_list *list, uint32_t timeout_ms, uint8_t flags,
                          struct cut *cut) {
  unsigned mark = holds_mark();
  uint32_t already_frozen;
  uint64_t start = monotonic_ns();
  int error = freeze_listed(reply, list, timeout_ms, &already_frozen);
  if (error != 0) return error;
  uint64_t frozen = monotonic_ns();
  error = take_cut(reply, cut);
  if (error != 0 || (flags & STAY_FROZEN) == 0) {
    int thaw_error = thaw_from(mark);
    if (error == 0 && thaw_error != 0) {
      errno = thaw_error;
      error = failed(reply, "thaw");
    }
  }
  put_u64(reply, monotonic_ns() - start);
  put_u64(reply, frozen - start);
  put_u64(reply, cut->sync_ns);
  put_u64(reply, cut->snapshot_ns);
  put_u32(reply, already_frozen);
  return error;
}

/*
 * Freeze, syncfs, read-only snapshot, thaw. Reply: u64 ns from the first freeze to the thaw, of these until all was
 * frozen, of syncfs, of the snapshot; u32 how many were frozen already.
 */
int op_capture(struct request *request, struct reply *reply) {
  struct freeze_list list;
  int error = take_freeze_list(request, reply, &list);
  if (error != 0) return error;
  uint32_t timeout_ms = take_u32(request);
  uint8_t flags = take_u8(request);
  const char *synced = take_string(request), *source = take_string(request), *parent = take_string(request);
  struct cut cut = {.synced = -1, .source = -1, .parent = -1, .name = take_string(request)};
  take_end(request);
  error = open_wanted(reply, synced, &cut.synced, "open");
  if (error == 0) error = open_wanted(reply, source, &cut.source, "open source");
  if (error == 0) error = open_wanted(reply, parent, &cut.parent, "open parent");
  if (error == 0) error = capture_frozen(reply, &list, timeout_ms, flags, &cut);
  if (cut.synced >= 0) close(cut.synced);
  if (cut.source >= 0) close(cut.source);
  if (cut.parent >= 0) close(cut.parent);
  return error;
}
