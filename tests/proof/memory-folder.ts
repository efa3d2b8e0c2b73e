import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder in memory, for what is written again and again and need not outlive the power: it syncs nothing to a disk. */
export class MemoryFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'holdfast-proof-'))

  constructor() {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512m', 'tmpfs', this.path])
    } catch (error) {
      rmdirSync(this.path)
      throw error
    }
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['--lazy', this.path])
    rmdirSync(this.path)
  }
}
