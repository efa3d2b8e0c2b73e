import { hash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Remembered } from '../commit/committer.ts'
import { ByteReader } from '../format/byte-reader.ts'
import { ByteWriter } from '../format/byte-writer.ts'
import { TreeState } from '../scan/tree-state.ts'
import { decodeDatabaseMemory, encodeDatabaseMemory } from '../stage/database-memory.ts'
import { replaceFile } from './json-file.ts'

/*
 * What a committer remembers, as files in the directory's folder: `tree-state` and, for each database, `databases/<hash of
 * its path>`. A cache: what is absent, damaged or of another generation costs a full read, never a wrong commit.
 *
 *     database := string path, memory, 32-byte SHA-256 of both
 */
const TREE_STATE = 'tree-state'
const MEMORIES = 'databases'
const DIGEST_BYTES = 32

/** What was saved, or undefined when there is nothing usable. */
export function loadRemembered(folder: string): Remembered | undefined {
  try {
    const { generation, state } = TreeState.fromBytes(readFileSync(join(folder, TREE_STATE)))
    return { generation, state, memories: loadMemories(folder) }
  } catch {
    return undefined
  }
}

function listNames(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function loadMemories(folder: string): Remembered['memories'] {
  const memories: Remembered['memories'] = new Map()
  for (const name of listNames(join(folder, MEMORIES))) {
    const bytes = readFileSync(join(folder, MEMORIES, name))
    const body = bytes.subarray(0, Math.max(0, bytes.length - DIGEST_BYTES))
    const reader = new ByteReader(body, 'database memory')
    if (!hash('sha256', body, 'buffer').equals(bytes.subarray(body.length)))
      reader.fail('its checksum is wrong')
    const path = reader.string()
    memories.set(path, decodeDatabaseMemory(reader.bytes(reader.remaining)))
  }
  return memories
}

export function saveRemembered(folder: string, remembered: Remembered): void {
  if (remembered.generation === null) return
  rmSync(join(folder, TREE_STATE), { force: true })
  rmSync(join(folder, MEMORIES), { recursive: true, force: true })
  for (const [path, memory] of remembered.memories) {
    const bytes = memory instanceof Uint8Array ? memory : encodeDatabaseMemory(memory)
    const name = hash('sha256', Buffer.from(path, 'latin1'), 'hex')
    const body = new ByteWriter(bytes.length + 512).string(path).bytes(bytes).finish()
    replaceFile(join(folder, MEMORIES, name), Buffer.concat([body, hash('sha256', body, 'buffer')]))
  }
  replaceFile(join(folder, TREE_STATE), remembered.state.toBytes(remembered.generation))
}
