/*
 * Asks the kernel, from inside a sandbox, for what a sandbox must not be given. Prints a JSON object: for each question
 * "ok" when it was granted, else the errno's name. Nothing that it is granted is put to use.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool is_first = true;

static void tell(const char *question, long result)
{
  const char *answer = result >= 0 ? "ok" : strerrorname_np(errno);
  printf("%s\n  \"%s\": \"%s\"", is_first ? "{" : ",", question, answer ? answer : "unknown");
  is_first = false;
}

/* What would change this process is asked by a child of it. */
static void tell_by_child(const char *question, long (*ask)(void))
{
  pid_t child = fork();
  if (child == 0) _exit(ask() >= 0 ? 0 : errno);
  int status = 0;
  waitpid(child, &status, 0);
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  tell(question, errno == 0 ? 0 : -1);
}

static long unshare_user(void) { return unshare(CLONE_NEWUSER); }
static long unshare_mount(void) { return unshare(CLONE_NEWNS); }
static long unshare_network(void) { return unshare(CLONE_NEWNET); }
static long unshare_both(void) { return unshare(CLONE_NEWUSER | CLONE_NEWNS); }
static long clone_user(void)
{
  long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid;
}
static long clone_three(void)
{
  struct clone_args arguments = {.exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  return pid;
}
static long enter_init(void) { return setns(open("/proc/1/ns/mnt", O_RDONLY), CLONE_NEWNS); }
static long change_root(void) { return chroot("/tmp"); }
static long pivot(void) { return syscall(SYS_pivot_root, "/tmp", "/tmp"); }
static long attach_init(void) { return ptrace(PTRACE_ATTACH, 1, NULL, NULL); }
static long no_randomness(void) { return personality(ADDR_NO_RANDOMIZE); }

static void namespaces(void)
{
  tell_by_child("unshare user", unshare_user);
  tell_by_child("unshare mount", unshare_mount);
  tell_by_child("unshare network", unshare_network);
  tell_by_child("unshare user and mount", unshare_both);
  tell_by_child("clone user", clone_user);
  tell_by_child("clone3", clone_three);
  tell_by_child("setns of pid 1", enter_init);
  tell_by_child("chroot", change_root);
  tell_by_child("pivot_root", pivot);
}

static void mounts(void)
{
  tell("mount tmpfs", mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
  tell("mount bind", mount("/usr", "/tmp", NULL, MS_BIND, NULL));
  tell("umount of a mask", umount2("/proc/keys", MNT_DETACH));
  tell("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
  tell("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/tmp", 1));
  tell("move_mount", syscall(SYS_move_mount, -1, "", AT_FDCWD, "/tmp", 4));
  tell("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/tmp", 0, NULL, 0));
  uint64_t handle[4] = {8};
  tell("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY));
}

static void devices(void)
{
  tell("mknod block", mknod("/tmp/block", S_IFBLK | 0600, makedev(254, 0)));
  tell("mknod block in /workspace", mknod("block", S_IFBLK | 0600, makedev(254, 0)));
  tell("mknod character", mknod("/tmp/character", S_IFCHR | 0600, makedev(1, 1)));
  static const char *const PATHS[] = {"/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/vda"};
  for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++) tell(PATHS[i], open(PATHS[i], O_RDONLY));
}

static void processes(void)
{
  char byte;
  struct iovec local = {&byte, 1}, remote = {(void *)0x400000, 1};
  tell_by_child("ptrace of pid 1", attach_init);
  tell("process_vm_readv", process_vm_readv(1, &local, 1, &remote, 1, 0));
  tell("kcmp", syscall(SYS_kcmp, getpid(), 1, 0, 0, 0));
  tell("pidfd_getfd", syscall(SYS_pidfd_getfd, -1, 0, 0));
  tell("kill of pid 1", kill(1, SIGKILL));
  tell("open of /proc/1/exe for writing", open("/proc/1/exe", O_WRONLY));
  tell("open of /proc/1/mem", open("/proc/1/mem", O_RDONLY));
  tell("open of /proc/1/environ", open("/proc/1/environ", O_RDONLY));
}

static void interfaces(void)
{
  union bpf_attr program = {0};
  tell("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &program, sizeof program));
  tell("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
  tell("userfaultfd", syscall(SYS_userfaultfd, 0));
  tell("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
  tell("keyctl", syscall(SYS_keyctl, 0, -3, 1));
  tell("add_key", syscall(SYS_add_key, "user", "a", "b", 1, -3));
  tell("request_key", syscall(SYS_request_key, "user", "a", NULL, -3));
  tell("init_module", syscall(SYS_init_module, NULL, 0, ""));
  tell("finit_module", syscall(SYS_finit_module, -1, "", 0));
  tell("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
  tell("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
  tell("swapon", swapon("/tmp/none", 0));
  tell("acct", acct("/tmp/none"));
  tell("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
  tell("syslog", syscall(SYS_syslog, 10, NULL, 0));
  tell_by_child("personality without randomness", no_randomness);
}

static void clocks_and_names(void)
{
  struct timeval now = {0};
  struct timespec at = {0};
  struct timex change = {.modes = ADJ_OFFSET};
  tell("settimeofday", settimeofday(&now, NULL));
  tell("clock_settime", clock_settime(CLOCK_REALTIME, &at));
  tell("adjtimex", adjtimex(&change));
  tell("sethostname", sethostname("x", 1));
}

static void sockets(void)
{
  tell("socket vsock", socket(40, SOCK_STREAM, 0));
  tell("socket packet", socket(17, SOCK_RAW, 0));
  tell("socket raw", socket(AF_INET, SOCK_RAW, 1));
  tell("socket alg", socket(38, SOCK_SEQPACKET, 0));
  tell("socket xdp", socket(44, SOCK_RAW, 0));
  tell("socket tipc", socket(30, SOCK_STREAM, 0));
  tell("socket rxrpc", socket(33, SOCK_DGRAM, 0));
  tell("netlink route", socket(16, SOCK_RAW, 0));
  tell("netlink netfilter", socket(16, SOCK_RAW, 12));
  tell("netlink audit", socket(16, SOCK_RAW, 9));
}

static void terminals(void)
{
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  char subcode = 2;
  tell("terminal", master);
  tell("TIOCSTI", ioctl(master, 0x5412, "x"));
  tell("TIOCLINUX", ioctl(master, 0x541c, &subcode));
  tell("TIOCSTI with upper bits", syscall(SYS_ioctl, master, 0x100005412ul, "x"));
}

static void kernel_files(void)
{
  static const char *const WRITTEN[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
    "/proc/sysrq-trigger", "/proc/sys/vm/panic_on_oom", "/sys/kernel/uevent_helper",
    "/proc/sys/fs/binfmt_misc/register", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/cgroup.procs"};
  for (size_t i = 0; i < sizeof WRITTEN / sizeof *WRITTEN; i++) tell(WRITTEN[i], open(WRITTEN[i], O_WRONLY));
  static const char *const READ[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kallsyms",
    "/proc/config.gz", "/proc/cmdline", "/proc/interrupts", "/sys/kernel/vmcoreinfo"};
  for (size_t i = 0; i < sizeof READ / sizeof *READ; i++) {
    char text[64], question[96];
    int file = open(READ[i], O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text);
    snprintf(question, sizeof question, "content of %s", READ[i]);
    if (length == 0) errno = ENODATA;
    tell(question, length > 0 ? 0 : -1);
  }
}

static void inherited(void)
{
  int count = 0;
  for (int fd = 3; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
  errno = EBADF;
  tell("inherited descriptors", count > 0 ? 0 : -1);
}

int main(void)
{
  inherited();
  namespaces();
  mounts();
  devices();
  processes();
  interfaces();
  clocks_and_names();
  sockets();
  terminals();
  kernel_files();
  puts("\n}");
  return 0;
}
