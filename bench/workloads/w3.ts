import { appendFileSync, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../measure.ts'

/**
 * W3: what a root filesystem with a large node_modules looks like, taken from this machine: interpreters and libraries
 * of /usr/lib in a fixed order up to the size, then this repository's own modules. The same on one machine.
 */
const SYSTEM_FOLDERS = ['python3', 'python3.11', 'gcc', 'git-core', 'perf', 'x86_64-linux-gnu', 'systemd']
const SYSTEM_SHARE = 0.6

export async function makeRootLike(folder: string, bytes: number): Promise<void> {
  mkdirSync(join(folder, 'usr/lib'), { recursive: true })
  let left = bytes * SYSTEM_SHARE
  for (const name of SYSTEM_FOLDERS) {
    const source = `/usr/lib/${name}`
    if (!existsSync(source)) continue
    const size = await folderBytes(source)
    for (const path of size <= left ? [source] : entriesOf(source)) {
      const cost = path === source ? size : await folderBytes(path)
      if (cost > left) continue
      left -= cost
      const target = join(folder, path === source ? '/usr/lib' : `/usr/lib/${name}`)
      mkdirSync(target, { recursive: true })
      await run({ file: 'cp', args: ['-a', path, target] })
    }
  }
  const app = join(folder, 'app/node_modules')
  mkdirSync(app, { recursive: true })
  left = bytes * (1 - SYSTEM_SHARE)
  for (const path of entriesOf(join(import.meta.dirname, '../../node_modules'))) {
    const cost = await folderBytes(path)
    if (cost > left) continue
    left -= cost
    await run({ file: 'cp', args: ['-a', path, app] })
  }
}

/** Changes the package.json of ten packages. */
export function changeTenPackages(folder: string, round: number): void {
  const app = join(folder, 'app/node_modules')
  // Not through a link: what lies behind one is not ours to change.
  const packages = entriesOf(app).filter(
    (path) => lstatSync(path).isDirectory() && existsSync(join(path, 'package.json')),
  )
  for (const path of packages.slice(0, 10))
    appendFileSync(join(path, 'package.json'), `${' '.repeat(round)}\n`)
}

function entriesOf(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
}

async function folderBytes(path: string): Promise<number> {
  const output = await run({ file: 'du', args: ['-s', '--block-size=1', path] })
  return Number(output.split('\t')[0])
}
