/*
 * suppress-fsync PROGRAM [ARGUMENT...]: runs PROGRAM with a seccomp filter that answers fsync, fdatasync, sync, syncfs,
 * sync_file_range and msync(MS_SYNC) with success at once, as a sandbox does whose local disk is not where durability
 * comes from.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no seccomp architecture for this processor"
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)
#define SUCCEED ANSWER(SECCOMP_RET_ERRNO | 0)
/* Carries out the next instruction only for that system call. */
#define ON(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1)

int main(int count, char **arguments) {
  struct sock_filter rules[] = {
      LOAD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
      ANSWER(SECCOMP_RET_KILL_PROCESS),
      LOAD(nr),
      ON(__NR_fsync), SUCCEED,
      ON(__NR_fdatasync), SUCCEED,
      ON(__NR_sync), SUCCEED,
      ON(__NR_syncfs), SUCCEED,
      ON(__NR_sync_file_range), SUCCEED,
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_msync, 0, 3),
      LOAD(args[2]),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MS_SYNC, 0, 1),
      SUCCEED,
      ANSWER(SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {.len = sizeof rules / sizeof *rules, .filter = rules};
  if (count < 2) return 64;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    perror("seccomp");
    return 71;
  }
  execvp(arguments[1], arguments + 1);
  perror(arguments[1]);
  return 127;
}
