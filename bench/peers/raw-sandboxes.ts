import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PeerProgram } from '../bench-run.ts'
import { outputOf, run } from '../measure.ts'

export const runc: PeerProgram = {
  name: 'runc',
  aptPackage: 'runc',
  version: async () => (await outputOf('runc', '--version'))?.split('\n')[0],
}

const BWRAP_WORDS = [
  '--ro-bind',
  '/',
  '/',
  '--dev',
  '/dev',
  '--proc',
  '/proc',
  '--unshare-all',
  '--die-with-parent',
]

export const bwrap = {
  name: 'bwrap',
  aptPackage: 'bubblewrap',
  version: () => outputOf('bwrap', '--version'),
  /** A sandbox of the machine's own files that runs `true` and ends. */
  async runTrue(): Promise<void> {
    await run({ file: 'bwrap', args: [...BWRAP_WORDS, 'true'] })
  },
}

/** A container as `runc spec` has it, with the machine's programs in it. */
export class RawContainer implements AsyncDisposable {
  readonly #id: string

  private constructor(id: string) {
    this.#id = id
  }

  /** The container would keep the pipes of whoever starts it open: it gets none. */
  static async start(folder: string): Promise<RawContainer> {
    await makeBundle(folder, ['sleep', '600'])
    const id = nextId()
    const starter = spawn('runc', ['run', '--detach', '--bundle', folder, id], { stdio: 'ignore' })
    const [exitCode] = await once(starter, 'exit')
    if (exitCode !== 0) throw new Error(`runc run ended with ${exitCode}`)
    return new RawContainer(id)
  }

  /** Makes a container that runs `true`, and removes it. */
  static async runTrue(folder: string): Promise<void> {
    await run({ file: 'runc', args: ['run', '--bundle', folder, nextId()] })
  }

  async exec(...argv: readonly string[]): Promise<void> {
    await run({ file: 'runc', args: ['exec', this.#id, ...argv] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run({ file: 'runc', args: ['delete', '--force', this.#id] })
  }
}

let containers = 0

function nextId(): string {
  return `holdfast-bench-${process.pid}-${++containers}`
}

/** What `runc run` takes in the folder. */
export async function makeBundle(folder: string, argv: readonly string[]): Promise<void> {
  const root = join(folder, 'rootfs')
  for (const name of ['usr', 'proc', 'dev', 'sys']) mkdirSync(join(root, name), { recursive: true })
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name))
  const spec = JSON.parse((await specOf(folder)) || '{}')
  spec.process = { ...spec.process, terminal: false, args: argv }
  spec.mounts.push({ destination: '/usr', type: 'bind', source: '/usr', options: ['rbind', 'ro'] })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(spec))
}

async function specOf(folder: string): Promise<string> {
  await run({ file: 'runc', args: ['spec', '--bundle', folder] })
  return await run({ file: 'cat', args: [join(folder, 'config.json')] })
}
