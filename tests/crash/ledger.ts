import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { ExecResult } from '@holdfast/client/exec-result'
import type { CommandLine } from '@holdfast/client/execs'
import { HoldfastError } from '@holdfast/client/holdfast-error'
import type { Workspace } from '@holdfast/client/workspace'
import { until } from '@holdfast/testkit/until'

const WRITER = 'ledger-writer.mjs'
const CHECK = 'ledger-check.mjs'
const FOLDER = '/workspace/ledger'
/** The row that was committed last; in the sandbox's memory, so that no recovery brings it back. */
const ACKNOWLEDGED = '/tmp/acknowledged'
const NODE = '/run/holdfast/node'

/**
 * A program in a workspace that writes rows and files for as long as it is let, and what was acknowledged of them, kept
 * outside of it.
 */
export class Ledger {
  readonly #workspace: Workspace
  #durableRows = 0

  private constructor(workspace: Workspace) {
    this.#workspace = workspace
  }

  /** Resolves when it writes. */
  static async begin(workspace: Workspace): Promise<Ledger> {
    const ledger = new Ledger(workspace)
    for (const name of [WRITER, CHECK])
      await workspace.files.write(name, readFileSync(new URL(`../../examples/${name}`, import.meta.url)))
    await ledger.goOn()
    return ledger
  }

  /** Rows that `sync` has promised to keep. */
  get durableRows(): number {
    return this.#durableRows
  }

  /** Starts the writer, where none runs; resolves when it writes. */
  async goOn(): Promise<void> {
    const command = [NODE, WRITER, FOLDER, ACKNOWLEDGED]
    const { id } = await this.#workspace.exec(command, { detached: true })
    await until('the ledger is written', async () => {
      if ((await this.rows()) > 0) return true
      const exec = await this.#workspace.execs.connect(id)
      assert.equal(exec.state.status, 'running', 'the writer has ended')
      return undefined
    })
  }

  /** Rows that are committed inside, durable or not. */
  async rows(): Promise<number> {
    const { stdout } = await this.#run(`cat ${ACKNOWLEDGED} 2>/dev/null || true`)
    return Number(stdout)
  }

  /**
   * Makes what is there now durable, and remembers that it was promised. Rejects if the workspace was recovered meanwhile.
   */
  async sync(): Promise<void> {
    await this.#workspace.refresh()
    const rows = await this.rows()
    await this.#workspace.sync()
    this.#durableRows = Math.max(this.#durableRows, rows)
  }

  /** Ends the writer; resolves when nothing writes. */
  async rest(): Promise<void> {
    // In brackets, so that the shell does not find itself.
    const writer = `'[l]edger-writer'`
    await this.#run(`pkill -f ${writer}; while pgrep -f ${writer} >/dev/null; do sleep 0.02; done`)
  }

  /** Holds what was recovered to what was promised, before anything writes on: one cut, and no synced row missing. */
  async audit(): Promise<number> {
    const { stdout, stderr, exitCode } = await this.#run([NODE, CHECK, FOLDER])
    assert.equal(exitCode, 0, `${stdout}${stderr}`)
    const { rows } = JSON.parse(stdout) as { rows: number }
    assert.ok(rows >= this.#durableRows, `${rows} rows, but ${this.#durableRows} were synced`)
    return rows
  }

  /** Rejects for a command that was lost with its host, as for whatever cannot be answered at the moment. */
  async #run(command: CommandLine): Promise<ExecResult> {
    const result = await this.#workspace.exec(command)
    if (result.status !== 'lost') return result
    throw new HoldfastError({ code: 'host-unreachable', message: 'the command was lost with its host' })
  }
}
