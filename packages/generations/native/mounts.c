#include "holdfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define OPTIONS_BYTES_MAX 4096

/* One subvolume of the btrfs on a device, without times of access. */
int op_mount_subvolume(struct request *request, struct reply *reply) {
  const char *device = take_string(request), *subvolume = take_string(request), *path = take_string(request);
  take_end(request);
  char options[OPTIONS_BYTES_MAX];
  int length = snprintf(options, sizeof options, "subvol=%s", subvolume);
  if (length >= (int)sizeof options || strchr(subvolume, ',') != NULL) {
    errno = EINVAL;
    return failed(reply, "subvolume");
  }
  return mount(device, path, "btrfs", MS_NOATIME, options) == 0 ? 0 : failed(reply, "mount");
}

/* Not through a link; `lazy` takes it out of sight while something in it is in use. */
int op_unmount(struct request *request, struct reply *reply) {
  const char *path = take_string(request);
  bool lazy = take_u8(request) != 0;
  take_end(request);
  return umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0 ? 0 : failed(reply, "umount");
}
