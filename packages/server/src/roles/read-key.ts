import { readFileSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'

const KEY_CHARACTERS_MIN = 32

/** The key in a file, without the line's end. Rejects with `wrong-key` for one that is absent or short. */
export function readKey(path: string): string {
  const key = readText(path).trim()
  if (key.length >= KEY_CHARACTERS_MIN) return key
  throw new Failure('wrong-key', `${path} holds fewer than ${KEY_CHARACTERS_MIN} characters`, { path })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Failure('wrong-key', `the key file cannot be read: ${reason}`, { path }, error)
  }
}
