#!/bin/sh
# Builds build/holdinit, the first process of every sandbox, unless it is newer than its sources.
# HOLDINIT_SANITIZE=1 builds build/holdinit-sanitized instead, which stops at the first wrong access to memory.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out="$here/../../../build"
compiler=${CC:-gcc}
binary="$out/holdinit"
# Static: it starts in root filesystems that have no libraries, or others.
flags='-O2 -static'
if [ "${HOLDINIT_SANITIZE:-}" = 1 ]; then
  binary="$out/holdinit-sanitized"
  flags='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all'
fi

if [ -x "$binary" ] && [ -z "$(find "$here" -newer "$binary" \( -name '*.c' -o -name '*.h' -o -name build.sh \))" ]; then
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
# shellcheck disable=SC2086 # one word a flag
"$compiler" -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE $flags -o "$fresh" "$here"/*.c
mv "$fresh" "$binary"
