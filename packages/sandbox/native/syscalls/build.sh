#!/bin/sh
# Builds build/syscalls: the name and number of every system call of this architecture, as the C library's headers have
# them. Filters for bubblewrap are compiled from it; runc has a table of its own.
set -eu

root=$(cd "$(dirname "$0")/../../../.." && pwd)
. "$root/tools/build-native.sh"

list_syscalls() {
  "$compiler" -E -dM -include sys/syscall.h -x c /dev/null |
    sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/\1 \2/p' >"$fresh"
  test -s "$fresh"
}

build_native syscalls list_syscalls
