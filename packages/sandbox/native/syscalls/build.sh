#!/bin/sh
# Builds build/syscalls: the name and number of every system call of this architecture, as the C library's headers have
# them. Filters for bubblewrap are compiled from it; runc has a table of its own.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out="$here/../../../../build"
compiler=${CC:-gcc}
table="$out/syscalls"

if [ -s "$table" ] && [ -z "$(find "$here/build.sh" -newer "$table")" ]; then
  exit 0
fi
if ! command -v "$compiler" >/dev/null; then
  echo "no C compiler '$compiler': install one (Debian: apt-get install gcc libc6-dev), or set CC" >&2
  exit 1
fi

mkdir -p "$out"
# Two builds at once each write a file of their own; the rename decides.
fresh="$table.$$"
trap 'rm -f "$fresh"' EXIT
"$compiler" -E -dM -include sys/syscall.h -x c /dev/null |
  sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/\1 \2/p' >"$fresh"
test -s "$fresh"
mv "$fresh" "$table"
