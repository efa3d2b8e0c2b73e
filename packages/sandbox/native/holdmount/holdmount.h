/* What the parts of holdmount share. Each ends the program with a line of what failed. */
#pragma once

#include <linux/mount.h>
#include <sys/mount.h>

#define MAP_BYTES_MAX 1024

__attribute__((noreturn)) void fail(const char *step);

/* The lines of uid_map(5) for FILE:HOST:COUNT words. */
void read_maps(int count, char **arguments, char map[MAP_BYTES_MAX]);

/* A user namespace that nobody runs in: it carries the map to the kernel. */
int user_namespace(const char *map);

/* A copy of the mount that shows SOURCE, which is nowhere yet; nosuid and nodev beside what is asked for. */
int clone_tree(const char *source, struct mount_attr *attributes);

/* Shows a tree at an absolute path without links. */
void attach(int tree, const char *path);

/* over …: see holdmount.c. */
void run_over(int argc, char **argv);
