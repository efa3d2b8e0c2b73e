/** They tell of the host, or of its kernel's memory: shown as empty. */
export const MASKED_PATHS: readonly string[] = [
  ...['/proc/acpi', '/proc/asound', '/proc/scsi', '/proc/pressure', '/proc/cmdline', '/proc/config.gz'],
  ...['/proc/interrupts', '/proc/kallsyms', '/proc/kcore', '/proc/keys', '/proc/key-users', '/proc/kmsg'],
  ...['/proc/kpagecgroup', '/proc/kpagecount', '/proc/kpageflags', '/proc/latency_stats', '/proc/modules'],
  ...['/proc/sched_debug', '/proc/slabinfo', '/proc/softirqs', '/proc/timer_list', '/proc/timer_stats'],
  '/proc/vmallocinfo',
]

export const READ_ONLY_PATHS: readonly string[] = [
  ...['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
]
