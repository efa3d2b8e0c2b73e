import { Engine } from './engine.ts'

/** `node bench/commit-once.ts SOURCE FOLDER`: one first commit as a process of its own, for its memory. */
const [source, folder] = process.argv.slice(2)
if (source === undefined || folder === undefined) throw new Error('usage: commit-once.ts SOURCE FOLDER')
await using engine = await Engine.open(folder)
await engine.commit(source)
