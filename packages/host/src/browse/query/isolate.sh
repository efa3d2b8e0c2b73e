#!/bin/sh
# Runs a program as nobody, in namespaces that its caller made, with what it needs below /mnt:
# isolate.sh CODE NODE DIRECTORY ro|rw MOUNT_PATH|- PROGRAM...
set -e
mount -t tmpfs -o mode=755,size=64k none /mnt
mkdir /mnt/code /mnt/database
: > /mnt/node
mount --bind -o ro "$1" /mnt/code
mount --bind -o ro "$2" /mnt/node
mount --bind -o "$4" "$3" /mnt/database
[ "$5" = - ] || mount --bind "$3" "$5"
shift 5
cd /
# Another uid forgets whose death ends the process, so that is said again here.
exec setpriv --pdeathsig=KILL --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
