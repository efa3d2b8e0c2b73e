// Names a state before something risky, goes back to it, and tries three things at once from it.
import { Workspace } from '@holdfast/client/environment'

const workspace = await Workspace.create({ name: 'example-states', ifExists: 'connect' })
await workspace.files.write('plan.txt', 'careful')
const { generation } = await workspace.checkpoints.create('before the experiment')

await workspace.exec('echo reckless > plan.txt')
await workspace.rollback(generation.id)
console.log(await workspace.files.readText('plan.txt'))

const outcomes = await workspace.forkMany({ count: 3, at: generation.id })
for (const outcome of outcomes) {
  if ('failure' in outcome) {
    console.error(outcome.failure.code, outcome.failure.message)
    continue
  }
  const fork = await outcome.workspace.ready()
  const { stdout } = await fork.exec('cat plan.txt')
  console.log(fork.id.slice(0, 3), stdout.trim())
  await fork.remove({ force: true })
}

await workspace.remove({ force: true })
