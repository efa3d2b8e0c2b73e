// Runs commands in a workspace, which is made at the first run and found at the next.
import { Workspace } from '@holdfast/client/environment'

const workspace = await Workspace.create({ name: 'example-commands', ifExists: 'connect' })

const listing = await workspace.exec(['ls', '-a', '/workspace'])
console.log(listing.exitCode, listing.stdout)

// A line for the shell, with its output as it comes. An exit code other than 0 is a result.
const build = await workspace.exec('echo building; sleep 0.1; echo failed >&2; exit 2', {
  env: { CI: '1' },
  timeoutMs: 60_000,
  onStdout: (text) => process.stdout.write(text),
  onStderr: (text) => process.stderr.write(text),
})
console.log(build.status, build.exitCode)

// A command goes on without its caller, and is found again by its id.
const counter = await workspace.exec('for i in 1 2 3; do echo $i; done', { detached: true })
const found = await workspace.execs.connect(counter.id)
for await (const piece of found) console.log(piece.stream, piece.text.trim())

await workspace.remove({ force: true })
