# Sourced by bin/test and bin/quickstart, from the root of the repository: makes a fresh Debian 12 ready.
# set_up YES TESTS: YES=1 installs without asking; TESTS=1 also what only tests need, 265 MB more. Exits 125 when it
# would have to ask and nobody can answer.

# One line a package: its name, how to see that it is there, what it is for.
system_packages() {
  cat <<'LIST'
gcc|command -v gcc|builds the native companion that freezes and captures directories
libc6-dev|test -e /usr/include/stdio.h|headers for the native companion
btrfs-progs|command -v mkfs.btrfs|makes the volumes that are captured in milliseconds
e2fsprogs|command -v mkfs.ext4|makes the disks that crash tests cut off
xfsprogs|command -v mkfs.xfs|makes the disks that reflink tests copy on
mount|command -v mount|mounts those images
util-linux|command -v prlimit|limits the memory and files of tests
runc|command -v runc|runs workspaces in containers
bubblewrap|command -v bwrap|runs workspaces of users who are not root
sqlite3|command -v sqlite3|a second SQLite, to check ours against
strace|command -v strace|makes system calls fail in tests, and shows what is synced before what
python3|command -v python3|a foreign program that writes while directories are captured
LIST
}

# As system_packages; quickstart goes without.
test_packages() {
  cat <<'LIST'
runsc|command -v runsc|gVisor, a kernel of their own for guests that are not trusted
radosgw|command -v radosgw|the S3 service of Ceph, a second S3 to check our client against
ceph-mon|command -v ceph-mon|radosgw keeps its objects in a Ceph: its monitor
ceph-osd|command -v ceph-osd|and its disk, which is in memory
faketime|command -v faketime|clocks that jump while roles run
nftables|command -v nft|cuts networks between hosts in tests
iproute2|command -v ip|makes those networks
chromium|command -v chromium|shows the admin page to its tests
postgresql|test -d /usr/lib/postgresql|the database of an installation with several hosts
docker-registry|command -v docker-registry|a registry of images, to pull from
umoci|command -v umoci|makes images to pull
skopeo|command -v skopeo|pushes these
LIST
}

# missing_packages TESTS: prints `name|reason` for each package that is not there.
missing_packages() {
  { system_packages; if [ "$1" = 1 ]; then test_packages; fi; } | while IFS='|' read -r name present reason; do
    PATH="$PATH:/usr/sbin:/sbin" sh -c "$present" >/dev/null 2>&1 </dev/null || echo "$name|$reason"
  done
}

# may_install YES: 0 if packages may be installed now; asks on the terminal if that is the only way to know.
may_install() {
  if [ "$1" = 1 ] || [ "${CI:-}" = true ]; then return 0; fi
  if [ ! -t 0 ]; then
    echo 'There is no terminal to ask on: run again with --yes, or install them yourself.' >&2
    exit 125
  fi
  printf 'Install them with apt-get? [y/N] '
  read -r answer
  case $answer in y | Y | yes) return 0 ;; *) return 1 ;; esac
}

set_up_system() {
  missing=$(missing_packages "${2:-0}")
  if [ -z "$missing" ]; then return 0; fi
  echo 'These system packages are missing:'
  echo "$missing" | while IFS='|' read -r name reason; do printf '  %-12s %s\n' "$name" "$reason"; done
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo 'Only root on a Debian can install them here: going on with what is there.' >&2
    return 0
  fi
  if ! may_install "$1"; then
    echo 'Going on with what is there.' >&2
    return 0
  fi
  # shellcheck disable=SC2046 # one word a package
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $(echo "$missing" | cut -d '|' -f 1) || exit 125
}

set_up_modules() {
  installed=node_modules/.package-lock.json
  if [ -e "$installed" ] && [ -z "$(find package-lock.json -newer "$installed")" ]; then return 0; fi
  if ! command -v npm >/dev/null; then
    echo 'npm is missing: install Node 18 or later with npm (Debian: apt-get install npm). It fetches Node 24.' >&2
    exit 125
  fi
  # A registry that lacks the optional packages of other platforms left them out of the lock file; npm ci takes that for
  # a lock file out of date. npm install keeps to the versions and hashes of the lock file all the same.
  npm ci --loglevel=silent ||
    npm install --no-save --loglevel=error || exit 125
}

set_up_native() {
  for build in packages/*/native/build.sh packages/*/native/*/build.sh; do
    if [ ! -e "$build" ]; then continue; fi
    sh "$build" || echo "$build failed: what needs its program fails." >&2
  done
}

set_up() {
  set_up_system "$1" "$2"
  set_up_modules
  set_up_native
}
