import { expectTool, type ToolPlace } from '../files/guest-tool.ts'

const LISTEN = '0A'
/** Addresses of `/proc/net/tcp` and `tcp6` that a connection to 127.0.0.1 reaches. */
const REACHABLE: ReadonlySet<string> = new Set([
  '00000000',
  '0100007F',
  '0'.repeat(32),
  '0000000000000000FFFF00000100007F',
])

/** Ports of 127.0.0.1 on which something listens, in order. */
export async function listeningPorts(place: ToolPlace): Promise<number[]> {
  const script = 'cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null || true'
  const text = (await expectTool(place, ['sh', '-c', script], '/proc/net/tcp')).toString('latin1')
  const ports = new Set<number>()
  for (const line of text.split('\n')) {
    const [, address = '', port = '', state] =
      /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ (\S\S) /.exec(line) ?? []
    if (state === LISTEN && REACHABLE.has(address)) ports.add(Number.parseInt(port, 16))
  }
  return [...ports].sort((a, b) => a - b)
}
