#!/bin/sh
# Builds build/holdinit, the first process of every sandbox, unless it is newer than its sources.
# HOLDINIT_SANITIZE=1 builds build/holdinit-sanitized instead, which stops at the first wrong access to memory.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/tools/build-native.sh"

if [ "${HOLDINIT_SANITIZE:-}" = 1 ]; then
  build_native holdinit-sanitized compile -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
else
  # Static: it starts in root filesystems that have no libraries, or others.
  build_native holdinit compile -O2 -static
fi
