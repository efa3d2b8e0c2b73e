import { appendFileSync, readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure, isFailure } from '@holdfast/base/failure'
import { replaceVolatileFile } from '@holdfast/generations/directory/json-file'
import { ExecState } from '@holdfast/protocol/exec'
import { z } from 'zod'

/*
 * What is known of a workspace's commands, one JSON document a line; the last line of an id counts:
 *
 *     {"state": ExecState, "isService": boolean, "isReported": boolean}
 *     {"forgotten": "<id>"}
 *
 * A start is written before the command runs, so that no id ever runs twice, whatever becomes of this process. A loss of
 * power ends the run of the workspace with the machine, and an id of a run that has ended is never begun: so nothing is
 * synced. A command that is found running by a later process is lost; a line that was cut was never written whole, so
 * nothing was started for it.
 */
export const ExecRow = z.strictObject({
  state: ExecState,
  /** Started by the host itself, for a service: control has no row of it. */
  isService: z.boolean(),
  /** Control has the end of it. */
  isReported: z.boolean(),
})
export type ExecRow = z.infer<typeof ExecRow>

const Line = z.union([ExecRow, z.strictObject({ forgotten: z.string() })])

/** The file is written anew when it has this many lines more than twice what is known. */
const SURPLUS_LINES_MAX = 1000

/** Remembers commands over the end of this process. Those who write at the same time share a write. */
export class ExecJournal implements AsyncDisposable {
  readonly #path: string
  readonly #rows: Map<string, ExecRow>
  #file: FileHandle | undefined
  #lines = 0
  #waiting: string[] = []
  #next: Promise<void> | undefined
  #last: Promise<void> = Promise.resolve()
  #isClosed = false

  /** Rejects with `source-failed` when what is there cannot be read. */
  constructor(folder: string) {
    this.#path = join(folder, 'journal')
    this.#rows = loadRows(this.#path)
  }

  get rows(): ReadonlyMap<string, ExecRow> {
    return this.#rows
  }

  /**
   * Written when it resolves. Rejects with `volume-full` or `source-failed`, and with `invalid-state` once it is closed;
   * then the id is as unknown as before.
   */
  async begin(row: ExecRow): Promise<void> {
    const { id } = row.state
    this.#rows.set(id, row)
    try {
      await this.#write({ ...row })
    } catch (error) {
      this.#rows.delete(id)
      throw error
    }
  }

  /** Written soon, unless it is closed: a report that is acknowledged later is made again by the next process. */
  note(row: ExecRow): void {
    this.#rows.set(row.state.id, row)
    this.#write(row).catch(() => {}) // the next write begins with a whole new file
  }

  forget(id: string): void {
    if (!this.#rows.delete(id)) return
    this.#write({ forgotten: id }).catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await this.#last
    await this.#file?.close()
    this.#file = undefined
  }

  #write(line: z.infer<typeof Line>): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Failure('invalid-state', `${this.#path} is closed`))
    this.#waiting.push(`${JSON.stringify(line)}\n`)
    if (this.#next === undefined) {
      const written = this.#last.then(() => this.#flush())
      this.#next = written
      this.#last = written.catch(() => {})
    }
    return this.#next
  }

  async #flush(): Promise<void> {
    const lines = this.#waiting
    this.#waiting = []
    this.#next = undefined
    try {
      if (this.#file === undefined || this.#lines > 2 * this.#rows.size + SURPLUS_LINES_MAX)
        return await this.#writeAll()
      this.#lines += lines.length
      // Into the cache of the kernel, which takes no longer than to ask a thread for it.
      appendFileSync(this.#file.fd, lines.join(''))
    } catch (error) {
      await this.#giveUp()
      throw journalFailure(this.#path, error)
    }
  }

  async #writeAll(): Promise<void> {
    await this.#giveUp()
    const lines = Array.from(this.#rows.values(), (row) => `${JSON.stringify(row)}\n`)
    replaceVolatileFile(this.#path, lines.join(''))
    this.#file = await open(this.#path, 'a', 0o600)
    this.#lines = lines.length
  }

  /** A file that failed once is not written again: the next write makes another. */
  async #giveUp(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close().catch(() => {})
  }
}

function loadRows(path: string): Map<string, ExecRow> {
  const rows = new Map<string, ExecRow>()
  for (const text of readText(path).split('\n')) {
    const line = parseLine(text)
    if (line === undefined) continue
    if ('forgotten' in line) rows.delete(line.forgotten)
    else rows.set(line.state.id, line)
  }
  return rows
}

function parseLine(text: string): z.infer<typeof Line> | undefined {
  if (text === '') return undefined
  try {
    return Line.parse(JSON.parse(text))
  } catch {
    return undefined // cut by a crash
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path).toString('utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw journalFailure(path, error)
  }
}

function journalFailure(path: string, error: unknown): Failure {
  if (isFailure(error)) return error
  const errno = errnoOf(error) ?? 'unknown'
  const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'volume-full' : 'source-failed'
  return new Failure(code, `cannot use ${path}: ${errno}`, { path, errno }, error)
}
