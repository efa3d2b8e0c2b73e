import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const IMAGE_BYTES = 4 * 1024 * 1024 * 1024
const STREAM_BYTES_MAX = 256 * 1024 * 1024

export interface ImageOptions {
  readonly mkfs?: readonly string[]
  readonly mountOptions?: readonly string[]
}

/** A btrfs filesystem of its own in a sparse file, mounted until disposed. Needs root. */
export class LoopImage implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'holdfast-btrfs-'))
  readonly mountPoint = join(this.#folder, 'mounted')

  constructor(options: ImageOptions = {}) {
    const file = join(this.#folder, 'image')
    try {
      writeFileSync(file, '')
      truncateSync(file, IMAGE_BYTES)
      mkdirSync(this.mountPoint)
      run('mkfs.btrfs', ['-q', ...(options.mkfs ?? []), file])
      const mountOptions = ['loop', 'noatime', ...(options.mountOptions ?? [])].join(',')
      run('mount', ['-t', 'btrfs', '-o', mountOptions, file, this.mountPoint])
    } catch (error) {
      rmSync(this.#folder, { recursive: true, force: true })
      throw error
    }
  }

  path(name: string): string {
    return join(this.mountPoint, name)
  }

  createSubvolume(name: string): void {
    run('btrfs', ['-q', 'subvolume', 'create', this.path(name)])
  }

  snapshot(from: string, to: string, mode: 'read-only' | 'writable' = 'read-only'): void {
    const flags = mode === 'read-only' ? ['-r'] : []
    run('btrfs', ['-q', 'subvolume', 'snapshot', ...flags, this.path(from), this.path(to)])
  }

  deleteSubvolume(name: string): void {
    run('btrfs', ['-q', 'subvolume', 'delete', this.path(name)])
  }

  send(parent: string | undefined, snapshot: string, flags: readonly string[] = ['--no-data']): Buffer {
    const since = parent === undefined ? [] : ['-p', this.path(parent)]
    return run('btrfs', ['-q', 'send', ...flags, ...since, this.path(snapshot)])
  }

  [Symbol.dispose](): void {
    run('umount', ['--lazy', this.mountPoint])
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function run(program: string, args: readonly string[]): Buffer {
  return execFileSync(program, args, {
    maxBuffer: STREAM_BYTES_MAX,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
