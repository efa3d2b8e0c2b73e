import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Step } from '@holdfast/testkit/observed-ports'
import type { DurableHome } from './durable-home.ts'
import type { Operation } from './operations.ts'

const CHILD = fileURLToPath(import.meta.resolve('./operation-child.ts'))
const COMPILE_CACHE = fileURLToPath(import.meta.resolve('../../build/compile-cache'))
const CHILD_MS_MAX = 60_000

/** A moment of an operation, and the signal that the process gets there. */
export interface Boundary {
  readonly step: Step
  readonly when: 'before' | 'after'
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

export interface OperationRun {
  readonly operation: Operation
  readonly home: DurableHome
  /** Where a restore goes. */
  readonly target: string
  readonly boundary?: Boundary
}

/** The steps that were met, in order; or that the process was killed before its end. */
export type OperationEnd = readonly Step[] | 'killed'

/** Does an operation once in a process of its own; its pid is told at once. */
export function runOperation(
  run: OperationRun,
  onPid: (pid: number) => void = () => {},
): Promise<OperationEnd> {
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE }
  const options = { timeout: CHILD_MS_MAX, cwd: '/', env }
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [CHILD, JSON.stringify(run)],
      options,
      (error, stdout, stderr) => {
        if (error?.signal === 'SIGKILL') resolve('killed')
        else if (error) reject(new Error(`${error.message}\n${stderr}`))
        else resolve(JSON.parse(stdout) as Step[])
      },
    )
    if (child.pid !== undefined) onPid(child.pid)
  })
}
