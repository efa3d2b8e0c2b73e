// What is refused has a code, says whether it may succeed later, and what to do next.
import { holdfastOfEnvironment } from '@holdfast/client/environment'
import { ExecError } from '@holdfast/client/exec-result'
import { HoldfastError } from '@holdfast/client/holdfast-error'

const holdfast = holdfastOfEnvironment()
try {
  await holdfast.connect('example-that-is-not-there')
} catch (error) {
  if (!(error instanceof HoldfastError)) throw error
  console.log(error.code, error.retryable, error.hint)
}

const workspace = await holdfast.create({ name: 'example-failures', ifExists: 'connect' })
try {
  await workspace.exec('echo broken >&2; exit 1', { throwOnError: true })
} catch (error) {
  if (!(error instanceof ExecError)) throw error
  console.log(error.result.exitCode, error.result.stderr.trim())
}

// Whatever takes long can be given up; the command ends with it.
try {
  await workspace.exec('sleep 60', { signal: AbortSignal.timeout(200) })
} catch (error) {
  console.log(error instanceof Error ? error.name : error)
}
await workspace.remove({ force: true })
