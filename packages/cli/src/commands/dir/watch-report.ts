import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import type { WatchEnd } from '@holdfast/generations/directory/watch-directory'
import type { MaintenanceStatus, MetFailure, WatchStatus } from '@holdfast/generations/directory/watch-status'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import type { Context } from '../../open-context.ts'
import { printable } from '../../output/printable.ts'
import { counted, formatBytes, formatDuration, formatInstant, isoInstant } from '../../output/quantities.ts'
import { generationJson, generationName } from './generation-forms.ts'

/** Generations that are told one by one when several came at once. */
const TOLD_MAX = 100

/**
 * What a watch tells: as JSON every generation and failure; to people, who see the output of the command between,
 * every generation only where no command runs.
 */
export class WatchReport {
  readonly #context: Context
  readonly #directory: DurableDirectory
  readonly #startedMs: number
  #firstSequence = 0
  #sequence = 0
  #failedAt = 0
  #maintenanceFailedAt = 0
  #drilledAt = 0
  #tellsGenerations = true

  constructor(context: Context, directory: DurableDirectory) {
    this.#context = context
    this.#directory = directory
    this.#startedMs = context.clock.monotonicMs()
  }

  async begin(status: WatchStatus): Promise<void> {
    const { output } = this.#context
    this.#firstSequence = status.sequence
    this.#sequence = status.sequence
    this.#tellsGenerations = output.mode !== 'text' || status.commandPid === null
    const { path, volume, consistency, commandPid } = status
    await this.#json({ event: 'watching', path, volume, consistency, commandPid, sequence: status.sequence })
    const what =
      consistency === 'cut'
        ? 'databases and files as one cut'
        : 'each database by itself (nothing is frozen: name a command or --cgroup)'
    output.note(`hold: watching ${printable(path)}, ${what}`)
    if (commandPid === null) output.note('hold: Ctrl-C commits once more and ends')
  }

  async look(status: WatchStatus): Promise<void> {
    if (status.sequence > this.#sequence) {
      const known = this.#sequence
      this.#sequence = status.sequence
      if (this.#tellsGenerations) {
        const rows = await this.#directory.history(Math.min(TOLD_MAX, status.sequence - known))
        for (const row of rows.filter(({ sequence }) => sequence > known).reverse())
          await this.#committed(row, status)
      }
    }
    const { lastFailure } = status
    if (lastFailure && lastFailure.metAt !== this.#failedAt) {
      this.#failedAt = lastFailure.metAt
      await this.#failed(lastFailure)
    }
    await this.#lookBeside(status.maintenance)
  }

  async end(end: WatchEnd): Promise<void> {
    const { clock, output } = this.#context
    const elapsedMs = clock.monotonicMs() - this.#startedMs
    const { command, head, sequence } = end
    const generations = sequence - this.#firstSequence
    await this.#json({
      event: 'ended',
      command,
      head,
      sequence,
      generations,
      elapsedMs,
      saved: end.failure === null,
    })
    const how = command === null ? 'stopped' : `the command ended (${command.signal ?? command.code})`
    const made = `${counted(generations, 'generation')} in ${formatDuration(elapsedMs)}`
    const last = head === null ? 'nothing to keep' : `the last is ${generationName({ id: head, sequence })}`
    output.note(`hold: ${how}; ${made}, ${last}`)
  }

  async #committed(row: GenerationRow, status: WatchStatus): Promise<void> {
    const { output } = this.#context
    const { frozenMs } = status
    const text = `hold: ${formatInstant(row.createdAt)} ${generationName(row)}, ${row.cause}, ${counted(row.files, 'file')}, ${formatBytes(row.bytes)}`
    output.note(frozenMs > 0 ? `${text}, frozen ${formatDuration(frozenMs)}` : text)
    if (output.mode === 'ids') await output.write(`${row.id}\n`)
    await this.#json({ event: 'committed', ...generationJson(row), frozenMs })
  }

  async #failed({ code, message, details, metAt }: MetFailure): Promise<void> {
    this.#context.output.note(`hold: not committed: ${printable(message)}`)
    await this.#json({ event: 'failed', code, message, details, metAt: isoInstant(metAt) })
  }

  /** What goes on beside the commits: told where somebody should know. */
  async #lookBeside({ lastFailure, lastDrill }: MaintenanceStatus): Promise<void> {
    const { output } = this.#context
    if (lastFailure && lastFailure.metAt !== this.#maintenanceFailedAt) {
      this.#maintenanceFailedAt = lastFailure.metAt
      const { code, message, details, metAt } = lastFailure
      output.note(`hold: maintenance failed, and is tried again: ${printable(message)}`)
      await this.#json({ event: 'maintenance-failed', code, message, details, metAt: isoInstant(metAt) })
    }
    if (lastDrill && lastDrill.drilledAt !== this.#drilledAt) {
      this.#drilledAt = lastDrill.drilledAt
      const { generation, sequence, problem, drilledAt } = lastDrill
      if (problem !== null)
        output.note(
          `hold: NOT PROVEN: ${generationName({ id: generation, sequence })}: ${printable(problem)}`,
        )
      await this.#json({ event: 'drilled', generation, sequence, problem, drilledAt: isoInstant(drilledAt) })
    }
  }

  async #json(event: object): Promise<void> {
    const { output } = this.#context
    if (output.mode === 'json') await output.write(`${JSON.stringify(event)}\n`)
  }
}
