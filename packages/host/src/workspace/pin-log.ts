import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { replaceVolatileFile } from '@holdfast/generations/directory/json-file'
import { z } from 'zod'

const NAME = 'pins.json'
const Messages = z.array(z.string())

/**
 * The messages of checkpoints that were answered for as taken here and that are not durable yet. They end with the
 * process that took them; the next one tells. Not synced: after a loss of power the whole run is known to be lost.
 */
export class PinLog {
  readonly #folder: string
  readonly #pending = new Map<number, string>()
  #last = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Kept when it returns. Throws what the disk says. */
  add(message: string): number {
    const key = ++this.#last
    this.#pending.set(key, message)
    this.#write()
    return key
  }

  remove(key: number): void {
    this.#pending.delete(key)
    this.#write()
  }

  /** Those of an earlier process, once. */
  takeLeft(): readonly string[] {
    const left = this.#read()
    rmSync(join(this.#folder, NAME), { force: true })
    return left
  }

  #read(): readonly string[] {
    try {
      return Messages.parse(JSON.parse(readFileSync(join(this.#folder, NAME), 'utf8')))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError)
        return []
      throw error
    }
  }

  #write(): void {
    if (this.#pending.size === 0) rmSync(join(this.#folder, NAME), { force: true })
    else replaceVolatileFile(join(this.#folder, NAME), JSON.stringify([...this.#pending.values()]))
  }
}
