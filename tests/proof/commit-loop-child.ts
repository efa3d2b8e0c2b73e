import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { withDurableDirectory } from './durable-home.ts'
import { writeVersion } from './tree-versions.ts'

/** `node commit-loop-child.ts ROOT DIRECTORY VERSION`: commits that version and those after it, until it is killed. */
async function main(root: string, directory: string, first: number): Promise<void> {
  await withDurableDirectory({ root, directory }, async (durable) => {
    using writer = await durable.openWriter()
    for (let version = first; ; version++) {
      writeVersion(directory, version)
      const image = { path: directory, changes: { kind: 'unknown' }, consistency: 'cut' } as const
      const outcome = await writer.commit(image, { cause: 'periodic', message: `${version}` })
      assert(outcome.kind === 'committed')
      writeSync(1, `ack ${outcome.generation.id} ${version}\n`)
      if (version % 3 === 0) writer.saveState()
    }
  })
}

const [root = '', directory = '', first = '1'] = process.argv.slice(2)
await main(root, directory, Number(first))
