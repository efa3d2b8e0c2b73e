import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { DatabaseEntry } from '@holdfast/generations/format/entry'
import type { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import { readContentParts, writeDatabase } from '@holdfast/generations/read/entry-bytes'
import type { CommandSpec } from '../../command.ts'
import type { Output } from '../../output/output.ts'
import { AT, DIR, requireEntry, requireRetained } from './parameters-of-dir.ts'

export const catCommand: CommandSpec = {
  path: ['dir', 'cat'],
  summary: 'Print a file of a generation, byte for byte',
  notes: 'A SQLite database is printed as the database file that a restore would make.',
  arguments: [DIR, { name: 'PATH', presence: 'required', about: 'a file in it' }],
  options: [AT],
  examples: [
    { line: 'dir cat ./project src/main.py --at 12', shows: 'the file as it was in number 12' },
    { line: 'dir cat ./project app.db > old.db', shows: 'the newest kept version of a database' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'reading')
    const generation = requireRetained(await directory.find(given.option('at')))
    const chunks = await directory.chunkReader()
    const text = given.argument('PATH')
    const { entry } = await requireEntry(chunks, generation, text)
    switch (entry.kind) {
      case 'file':
        for await (const part of readContentParts(chunks, entry.content)) await context.output.write(part)
        break
      case 'database':
        await printDatabase(chunks, entry, context.output)
        break
      case 'directory':
      case 'symlink':
        throw new Failure(
          'invalid-argument',
          `${text} is a ${entry.kind}, not a file: \`hold dir ls -l\` shows it`,
          {
            path: text,
          },
        )
    }
    return undefined
  },
}

/** Proven as a whole before its first byte is printed. */
async function printDatabase(chunks: ChunkReader, entry: DatabaseEntry, output: Output): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-cat-'))
  try {
    const path = await writeDatabase(chunks, entry, { directory, name: 'database' })
    for await (const part of createReadStream(path)) await output.write(part)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
