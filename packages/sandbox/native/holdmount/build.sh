#!/bin/sh
# Builds build/holdmount, which mounts what runc cannot, unless it is newer than its source.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out="$here/../../../../build"
compiler=${CC:-gcc}
binary="$out/holdmount"

if [ -x "$binary" ] && [ -z "$(find "$here" -newer "$binary" \( -name '*.[ch]' -o -name build.sh \))" ]; then
  exit 0
fi
if ! command -v "$compiler" >/dev/null; then
  echo "no C compiler '$compiler': install one (Debian: apt-get install gcc libc6-dev), or set CC" >&2
  exit 1
fi

mkdir -p "$out"
# Two builds at once each write a file of their own; the rename decides.
fresh="$binary.$$"
trap 'rm -f "$fresh"' EXIT
"$compiler" -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -static -o "$fresh" "$here"/*.c
mv "$fresh" "$binary"
