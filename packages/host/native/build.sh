#!/bin/sh
# Builds build/holdwatch, which kills sandboxes at their deadlines, unless it is newer than its sources.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/tools/build-native.sh"

build_native holdwatch compile -O2 -static
