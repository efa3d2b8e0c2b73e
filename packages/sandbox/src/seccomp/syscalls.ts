/**
 * What a guest may ask of the kernel, by purpose; whatever is not here is answered with EPERM. Names that the kernel of
 * an architecture does not have are passed over.
 */
const ALLOWED_BY_PURPOSE = {
  descriptors: `read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 open openat openat2 creat close
    close_range lseek dup dup2 dup3 fcntl flock pipe pipe2 sendfile splice tee vmsplice copy_file_range readahead
    fadvise64 fallocate ftruncate truncate memfd_create cachestat`,
  files: `stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat getdents
    getdents64 getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink
    symlinkat mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat
    futimesat umask name_to_handle_at ustat getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr
    llistxattr flistxattr removexattr lremovexattr fremovexattr getxattrat setxattrat listxattrat removexattrat
    inotify_init inotify_init1 inotify_add_watch inotify_rm_watch`,
  memory: `mmap munmap mprotect mremap madvise process_madvise mincore mlock mlock2 munlock mlockall munlockall brk
    pkey_alloc pkey_free pkey_mprotect remap_file_pages memfd_secret membarrier process_mrelease mseal
    map_shadow_stack`,
  processes: `execve execveat exit exit_group fork vfork wait4 waitid kill tkill tgkill pidfd_open pidfd_send_signal
    getpid getppid gettid getpgid getpgrp setpgid getsid setsid set_tid_address set_robust_list get_robust_list rseq
    prctl arch_prctl seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self getcpu
    restart_syscall`,
  identity: `getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid
    setresgid setgroups setfsuid setfsgid capget capset`,
  signals: `rt_sigaction rt_sigprocmask rt_sigpending rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait sigaltstack signalfd signalfd4 pause alarm`,
  scheduling: `sched_yield sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr
    sched_setattr sched_getaffinity sched_setaffinity sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval getpriority setpriority ioprio_get ioprio_set getrlimit setrlimit prlimit64 getrusage
    times`,
  time: `clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getitimer setitimer timer_create
    timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime`,
  waiting: `poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old
    epoll_pwait epoll_pwait2 eventfd eventfd2 futex futex_waitv futex_wait futex_wake futex_requeue io_setup
    io_destroy io_submit io_getevents io_pgetevents io_cancel`,
  sockets: `bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt sendto sendmsg sendmmsg
    recvfrom recvmsg recvmmsg shutdown`,
  ipc: `shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink
    mq_timedsend mq_timedreceive mq_notify mq_getsetattr`,
  system: 'uname sysinfo getrandom',
} as const

export const ALLOWED_SYSCALLS: readonly string[] = Object.values(ALLOWED_BY_PURPOSE).flatMap((names) =>
  names.split(/\s+/),
)

/** They write to the disk what `sync()` makes durable elsewhere; msync is among them only with MS_SYNC. */
export const SYNC_SYSCALLS: readonly string[] = [
  'fsync',
  'fdatasync',
  'sync',
  'syncfs',
  'sync_file_range',
  'sync_file_range2',
]

/** One process looks into another. Safe between processes of a user since Linux 4.8, but no business of most guests. */
export const DEBUG_SYSCALLS: readonly string[] = ['ptrace', 'process_vm_readv', 'process_vm_writev', 'kcmp']
