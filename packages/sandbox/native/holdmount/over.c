/*
 * Overlays for a root that a guest may write. Layers and uppers are shown with other owners first, at places of a small
 * file system in memory that the first overlay then covers:
 *
 *     TARGET/lN            a layer          TARGET/up/NAME/upper     what is written
 *     TARGET/up            UPPER            TARGET/up/NAME/work      the kernel's own
 *
 * A kept upper directory comes from a generation, which holds no devices: a deleted name is an empty file with the
 * attribute that marks it there, and becomes the device 0:0 by which the kernel knows it.
 */
#include "holdmount.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAPS_MAX 16
#define LAYERS_MAX 256
#define OVERLAYS_MAX 64
/* What fsconfig(2) takes. */
#define OPTION_BYTES_MAX 256
#define STAGE_OPTIONS "mode=755,size=64k"
#define WHITEOUT "user.overlay.whiteout"

struct stage {
  const char *target;
  uid_t owner;
  bool is_kept;
  struct mount_attr layer;
  int layers;
};

struct overlay {
  const char *path;
  int mount;
};

static int namespace_of(char *maps)
{
  char *words[MAPS_MAX], map[MAP_BYTES_MAX];
  int count = 0;
  for (char *word = strtok(maps, ","); word != NULL && count < MAPS_MAX; word = strtok(NULL, ","))
    words[count++] = word;
  read_maps(count, words, map);
  return user_namespace(map);
}

static void in_stage(char path[OPTION_BYTES_MAX], const char *format, const struct stage *stage, const char *name)
{
  errno = ENAMETOOLONG;
  if (snprintf(path, OPTION_BYTES_MAX, format, stage->target, name) >= OPTION_BYTES_MAX)
    fail(name);
}

static bool make_directory(const char *path, mode_t mode)
{
  if (mkdir(path, mode) == 0)
    return true;
  if (errno != EEXIST)
    fail(path);
  return false;
}

static void make_stage(struct stage *stage, char *upper, char *upper_maps)
{
  char place[OPTION_BYTES_MAX], options[64];
  if (unshare(CLONE_NEWNS) != 0)
    fail("unshare");
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
    fail("slave");
  if (mount("tmpfs", stage->target, "tmpfs", MS_NOSUID | MS_NODEV, STAGE_OPTIONS) != 0)
    fail(stage->target);
  in_stage(place, "%s/%s", stage, "up");
  make_directory(place, 0700);
  if (stage->is_kept) {
    struct mount_attr mapped = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)namespace_of(upper_maps)};
    attach(clone_tree(upper, &mapped), place);
    return;
  }
  snprintf(options, sizeof options, "mode=700,size=%llu", strtoull(upper, NULL, 10));
  if (mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
    fail(place);
}

static void revive(const FTSENT *entry)
{
  const struct stat *is = entry->fts_statp;
  const struct timespec times[2] = {is->st_atim, is->st_mtim};
  if (lgetxattr(entry->fts_accpath, WHITEOUT, NULL, 0) < 0)
    return;
  if (unlink(entry->fts_accpath) != 0 || mknod(entry->fts_accpath, S_IFCHR | (is->st_mode & 07777), 0) != 0 ||
      lchown(entry->fts_accpath, is->st_uid, is->st_gid) != 0 ||
      utimensat(AT_FDCWD, entry->fts_accpath, times, AT_SYMLINK_NOFOLLOW) != 0)
    fail("whiteout");
  entry->fts_parent->fts_number = 1;
}

/* Times stay what they were, so that a restored system is the one that was committed. */
static void revive_whiteouts(char *upper)
{
  char *paths[] = {upper, NULL};
  FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
  if (tree == NULL)
    fail(upper);
  for (FTSENT *entry; (entry = fts_read(tree)) != NULL;) {
    if (entry->fts_info == FTS_F && entry->fts_statp->st_size == 0)
      revive(entry);
    if (entry->fts_info == FTS_DP && entry->fts_number == 1) {
      const struct timespec times[2] = {entry->fts_statp->st_atim, entry->fts_statp->st_mtim};
      utimensat(AT_FDCWD, entry->fts_accpath, times, AT_SYMLINK_NOFOLLOW);
    }
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS) {
      errno = entry->fts_errno;
      fail(upper);
    }
  }
  fts_close(tree);
}

static void set_option(int context, const char *name, const char *value)
{
  unsigned command = value == NULL ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
  if (syscall(SYS_fsconfig, context, command, name, value, 0) != 0)
    fail(name);
}

/* What is written goes to a directory of that name. */
static void set_upper(int context, const struct stage *stage, const char *name)
{
  char upper[OPTION_BYTES_MAX], work[OPTION_BYTES_MAX];
  in_stage(upper, "%s/up/%s", stage, name);
  make_directory(upper, 0700);
  in_stage(upper, "%s/up/%s/upper", stage, name);
  in_stage(work, "%s/up/%s/work", stage, name);
  if (make_directory(upper, 0755) && (chown(upper, stage->owner, stage->owner) != 0 || chmod(upper, 0755) != 0))
    fail(upper);
  make_directory(work, 0700);
  if (stage->is_kept)
    revive_whiteouts(upper);
  set_option(context, "upperdir", upper);
  set_option(context, "workdir", work);
}

/* Attributes of the user's are what a generation keeps. */
static int make_overlay(struct stage *stage, const char *name, char **layers, int count)
{
  char lower[OPTION_BYTES_MAX] = "", place[OPTION_BYTES_MAX], number[16];
  for (int i = 0; i < count; i++) {
    snprintf(number, sizeof number, "%d", stage->layers++);
    in_stage(place, "%s/l%s", stage, number);
    make_directory(place, 0700);
    attach(clone_tree(layers[i], &stage->layer), place);
    errno = ENAMETOOLONG;
    if (strlen(lower) + strlen(place) + 2 > sizeof lower)
      fail("layers");
    if (i > 0)
      strcat(lower, ":");
    strcat(lower, place);
  }
  int context = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
  if (context < 0)
    fail("fsopen");
  if (stage->is_kept)
    set_option(context, "userxattr", NULL);
  set_option(context, "index", "off");
  set_option(context, "xino", "off");
  set_option(context, "lowerdir", lower);
  set_upper(context, stage, name);
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
    fail("overlay");
  int mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (mount < 0)
    fail("fsmount");
  close(context);
  return mount;
}

/* At a directory below what is mounted already, through no link. */
static void show(int root, const struct overlay *overlay)
{
  struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_IN_ROOT};
  int place = (int)syscall(SYS_openat2, root, overlay->path, &how, sizeof how);
  if (place < 0 || syscall(SYS_move_mount, overlay->mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    fail(overlay->path);
}

void run_over(int argc, char **argv)
{
  struct overlay overlays[OVERLAYS_MAX];
  int count = 0, at = 5;
  errno = EINVAL;
  if (argc < 10)
    fail("over");
  struct stage stage = {.target = argv[0], .owner = (uid_t)strtoul(argv[1], NULL, 10), .is_kept = argv[3][0] == '/'};
  stage.layer.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY;
  stage.layer.userns_fd = (unsigned)namespace_of(argv[2]);
  make_stage(&stage, argv[3], argv[4]);
  while (at + 2 < argc && strcmp(argv[at], "+") == 0 && count < OVERLAYS_MAX) {
    int layers = at + 3, end = layers;
    while (end < argc && argv[end][0] == '/')
      end++;
    overlays[count].path = argv[at + 2];
    overlays[count++].mount = make_overlay(&stage, argv[at + 1], argv + layers, end - layers);
    at = end;
  }
  errno = EINVAL;
  if (count == 0 || at + 1 >= argc || strcmp(argv[at], "--") != 0)
    fail("overlays");
  attach(overlays[0].mount, stage.target);
  int root = open(stage.target, O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (int i = 1; i < count; i++)
    show(root, &overlays[i]);
  execvp(argv[at + 1], argv + at + 1);
  fail(argv[at + 1]);
}
