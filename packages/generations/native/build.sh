#!/bin/sh
# Builds build/holdfs, the native file-system companion, unless it is newer than its sources.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/tools/build-native.sh"

# Linked with the C library's shared objects where there is no static one.
compile_holdfs() {
  compile -O2 -ffp-contract=off -static 2>/dev/null || compile -O2 -ffp-contract=off
}

build_native holdfs compile_holdfs
