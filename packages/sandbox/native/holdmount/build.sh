#!/bin/sh
# Builds build/holdmount, which mounts what runc cannot, unless it is newer than its source.
set -eu

root=$(cd "$(dirname "$0")/../../../.." && pwd)
. "$root/tools/build-native.sh"

build_native holdmount compile -O2 -static
