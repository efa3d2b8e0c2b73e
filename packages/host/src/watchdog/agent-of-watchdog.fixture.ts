import { uptime } from 'node:os'
import { Watchdog } from './watchdog.ts'

/** `node agent-of-watchdog.fixture.ts BINARY DIRECTORY NAME MS CGROUP`: watches it for so long, says so, and stays. */
const [binary = '', directory = '', name = '', ms = '', cgroup = ''] = process.argv.slice(2)
const watchdog = await Watchdog.start({ binary, directory })
const deadlineBootMs = Math.floor(uptime() * 1000) + Number(ms)
await watchdog.watch({ name, deadlineBootMs, cgroups: [cgroup] })
process.stdout.write(`${watchdog.pid} ${deadlineBootMs}\n`)
setTimeout(() => process.exit(1), 30_000)
