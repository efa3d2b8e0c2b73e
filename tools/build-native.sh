# Sourced by native/**/build.sh, which have `set -eu` and name the checkout in "$root".
# shellcheck shell=sh

here=$(cd "$(dirname "$0")" && pwd)
compiler=${CC:-gcc}

# is_current FILE: whether it is newer than its sources and than how it is built.
is_current() {
  if [ ! -s "$1" ]; then return 1; fi
  newer=$(find "$here" "$root/tools/build-native.sh" -newer "$1" \( -name '*.c' -o -name '*.h' -o -name 'build*.sh' \))
  [ -z "$newer" ]
}

# compile FLAG…: makes "$fresh" of the C files beside the build.sh.
compile() {
  "$compiler" -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE "$@" -o "$fresh" "$here"/*.c
}

# build_native NAME COMMAND…: makes build/NAME, unless it is current, by a command that writes "$fresh".
build_native() {
  made="$root/build/$1"
  shift
  if is_current "$made"; then return; fi
  if ! command -v "$compiler" >/dev/null; then
    echo "no C compiler '$compiler': install one (Debian: apt-get install gcc libc6-dev), or set CC" >&2
    exit 1
  fi
  mkdir -p "$root/build"
  # Two builds at once each write a file of their own; the rename decides.
  fresh="$made.$$"
  trap 'rm -f "$fresh"' EXIT
  "$@"
  mv "$fresh" "$made"
}
