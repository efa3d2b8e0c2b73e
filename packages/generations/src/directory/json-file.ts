import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'

/** Writes a file so that a reader, or a crash, sees the old bytes or the new ones, and these survive power loss. */
export function replaceFile(path: string, bytes: Uint8Array | string): void {
  exchangeFile(path, bytes, fsyncSync)
  syncDirectory(dirname(path))
}

/**
 * As `replaceFile` for readers, and for the end of this process; a loss of power may leave the old bytes, the new ones,
 * or none that make sense. For what is not trusted after that anyway: two syncs take up to 20 ms on a busy disk.
 */
export function replaceVolatileFile(path: string, bytes: Uint8Array | string): void {
  exchangeFile(path, bytes, () => {})
}

function exchangeFile(path: string, bytes: Uint8Array | string, settle: (fd: number) => void): void {
  const temporary = `${path}.new`
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const fd = openSync(temporary, 'w', 0o600)
  try {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
    for (let written = 0; written < buffer.length; ) written += writeSync(fd, buffer, written)
    settle(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
}

export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** The JSON object in a file, or undefined where there is no file. Rejects with `history-corrupt` for other bytes. */
export function readJsonFile(path: string): Record<string, unknown> | undefined {
  const text = readTextFile(path)
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // falls through to the one failure for bytes that are not JSON
  }
  throw new Failure('history-corrupt', `${path} does not hold a JSON object`, { path })
}

function readTextFile(path: string): string | undefined {
  try {
    // As text, Node would end the process where the file cannot be closed.
    return readFileSync(path).toString('utf8')
  } catch (error) {
    const errno = errnoOf(error) ?? 'unknown'
    if (errno === 'ENOENT') return undefined
    const code = errno === 'EACCES' || errno === 'EPERM' ? 'no-permission' : 'source-failed'
    throw new Failure(code, `cannot read ${path}: ${errno}`, { path, errno }, error)
  }
}
