/*
 * holdmount: what the runtimes mount that runc does not.
 *
 * into PID TARGET SOURCE MAP... [-- TARGET SOURCE]...   Mounts the directory SOURCE of the host at TARGET in the mount namespace of PID. Each
 *   MAP is FILE:HOST:COUNT: files that their file system says are owned by user and group FILE... are shown to the
 *   kernel as owned by HOST..., so that a volume looks the same on disk whatever range of ids its sandbox has. The mount
 *   is nosuid and nodev, does not follow mounts below SOURCE, and exists nowhere on the host: it ends with the sandbox.
 *   TARGET is an absolute path without links. What follows -- is mounted afterwards in the same way, but read-only and
 *   with the owners that it has.
 * under SOURCE TARGET PROGRAM...   Runs PROGRAM where the directory TARGET shows SOURCE, in a mount namespace of its own:
 *   a user who may not walk to SOURCE reaches it there.
 *
 * over TARGET OWNER MAPS UPPER MAPS {+ NAME PATH LAYER...}... -- PROGRAM...   Runs PROGRAM where TARGET shows overlays:
 *   each NAME at PATH below TARGET, parents first, of directories of the host, the highest first. Who writes there changes
 *   UPPER: a directory, or memory if it is a number of bytes. A fresh upper directory belongs to OWNER. The first MAPS are
 *   those of the layers, the second those of UPPER, each FILE:HOST:COUNT[,...]; - for memory.
 *
 * alone PROGRAM...   Runs PROGRAM in a network namespace of its own, where lo is up and is all there is.
 *
 * Ends with 1 and a line `step: reason`, or as PROGRAM does.
 */
#include "holdmount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAPS_MAX 16
#define READ_ONLY_MAX 64
#define PATH_BYTES_MAX 64

void fail(const char *step)
{
  fprintf(stderr, "%s: %s\n", step, strerror(errno));
  exit(1);
}

static void write_map(pid_t pid, const char *name, const char *map)
{
  char path[PATH_BYTES_MAX];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, map, strlen(map)) != (ssize_t)strlen(map))
    fail(name);
  close(fd);
}

static int open_namespace(pid_t pid, const char *kind)
{
  char path[PATH_BYTES_MAX];
  snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kind);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    fail(path);
  return fd;
}

void read_maps(int count, char **arguments, char map[MAP_BYTES_MAX])
{
  size_t used = 0;
  errno = EINVAL;
  if (count < 1 || count > MAPS_MAX)
    fail("maps");
  for (int i = 0; i < count; i++) {
    unsigned file, host, ids;
    char rest;
    if (sscanf(arguments[i], "%u:%u:%u%c", &file, &host, &ids, &rest) != 3)
      fail(arguments[i]);
    used += snprintf(map + used, MAP_BYTES_MAX - used, "%u %u %u\n", file, host, ids);
  }
}

int user_namespace(const char *map)
{
  int ready[2];
  char byte;
  if (pipe2(ready, O_CLOEXEC) != 0)
    fail("pipe");
  pid_t child = fork();
  if (child < 0)
    fail("fork");
  if (child == 0) {
    if (unshare(CLONE_NEWUSER) != 0)
      _exit(errno);
    if (write(ready[1], "", 1) != 1)
      _exit(EIO);
    for (;;)
      pause();
  }
  close(ready[1]);
  if (read(ready[0], &byte, 1) != 1) {
    int status = 0;
    waitpid(child, &status, 0);
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    fail("user namespace");
  }
  write_map(child, "uid_map", map);
  write_map(child, "gid_map", map);
  int fd = open_namespace(child, "user");
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return fd;
}

/* The mount namespace of a process, which this program enters for good. */
static void enter(int space)
{
  if (setns(space, CLONE_NEWNS) != 0)
    fail("setns");
}

void attach(int tree, const char *path)
{
  struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
  int target = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  if (target < 0)
    fail("target");
  if (syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    fail("move_mount");
}

int clone_tree(const char *source, struct mount_attr *attributes)
{
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0)
    fail(source);
  attributes->attr_set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, attributes, sizeof *attributes) != 0)
    fail("mount_setattr");
  return tree;
}

static void mount_into(int argc, char **argv)
{
  char map[MAP_BYTES_MAX];
  int trees[READ_ONLY_MAX], maps = 0;
  while (3 + maps < argc && strcmp(argv[3 + maps], "--") != 0)
    maps++;
  char **pairs = argv + 3 + maps + 1;
  int count = (argc - 3 - maps) / 2;
  errno = EINVAL;
  if (count > READ_ONLY_MAX)
    fail("mounts");
  read_maps(maps, argv + 3, map);
  int space = open_namespace((pid_t)atoi(argv[0]), "mnt");
  struct mount_attr mapped = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)user_namespace(map) };
  int tree = clone_tree(argv[2], &mapped);
  for (int i = 0; i < count; i++) {
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
    trees[i] = clone_tree(pairs[2 * i + 1], &read_only);
  }
  enter(space);
  attach(tree, argv[1]);
  for (int i = 0; i < count; i++)
    attach(trees[i], pairs[2 * i]);
}

static void run_under(char **argv)
{
  if (unshare(CLONE_NEWNS) != 0)
    fail("unshare");
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
    fail("slave");
  if (mount(argv[0], argv[1], NULL, MS_BIND, NULL) != 0)
    fail("bind");
  execvp(argv[2], argv + 2);
  fail(argv[2]);
}

static void run_alone(char **argv)
{
  struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
  if (unshare(CLONE_NEWNET) != 0)
    fail("unshare");
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) != 0)
    fail("lo");
  execvp(argv[0], argv);
  fail(argv[0]);
}

int main(int argc, char **argv)
{
  if (argc >= 6 && strcmp(argv[1], "into") == 0)
    mount_into(argc - 2, argv + 2);
  else if (argc >= 5 && strcmp(argv[1], "under") == 0)
    run_under(argv + 2);
  else if (argc >= 3 && strcmp(argv[1], "over") == 0)
    run_over(argc - 2, argv + 2);
  else if (argc >= 3 && strcmp(argv[1], "alone") == 0)
    run_alone(argv + 2);
  else {
    fputs("usage: holdmount into PID TARGET SOURCE MAP... [-- TARGET SOURCE]... | under SOURCE TARGET PROGRAM... | over TARGET OWNER MAPS UPPER MAPS {+ NAME PATH LAYER...}... -- PROGRAM... | alone PROGRAM...\n", stderr);
    return 2;
  }
  return 0;
}
