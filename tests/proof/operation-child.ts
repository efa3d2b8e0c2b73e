import { ObservedPorts, type Step } from '@holdfast/testkit/observed-ports'
import { withDurableDirectory } from './durable-home.ts'
import type { Boundary, OperationRun } from './operation-process.ts'
import { operate } from './operations.ts'

/**
 * `node operation-child.ts JSON` with the fields of `OperationRun`: does the operation, and prints the steps that it
 * met; or sends itself a signal at one boundary.
 */
function atBoundary({ step, signal }: Boundary, met: Step): undefined {
  if (met.name === step.name && met.nth === step.nth) process.kill(process.pid, signal)
}

const run: OperationRun = JSON.parse(process.argv[2] ?? '{}')
const { boundary } = run
const ports = new ObservedPorts(boundary && { [boundary.when]: (met: Step) => atBoundary(boundary, met) })
await withDurableDirectory(run.home, (durable) => operate(durable, run.operation, run.target), ports.observe)
console.log(JSON.stringify(ports.steps))
