/* A cgroup of version 1 (freezer) or 2 as somebody to freeze and to kill. Nothing here allocates. */
#ifndef HOLDWATCH_CGROUP_H
#define HOLDWATCH_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

int open_cgroup(const char *path);
void set_frozen(int cgroup, bool frozen);
bool is_frozen(int cgroup);
uint64_t signal_listed(int cgroup, int number);
void kill_all(int cgroup);

#endif
