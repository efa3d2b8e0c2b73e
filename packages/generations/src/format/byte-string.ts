/**
 * Names, paths and hashes as strings in which every char is one byte (Latin-1). They compare and sort like the bytes
 * they stand for, work as Map keys, and keep names that are not UTF-8 exactly as the kernel gave them.
 */
export type ByteString = string

// biome-ignore lint/suspicious/noControlCharactersInRegex: the class is "not ASCII", NUL included
const NOT_ASCII = /[^\x00-\x7f]/

/** True if the bytes are the same in every encoding that Node may choose. */
export function isAscii(bytes: ByteString): boolean {
  return !NOT_ASCII.test(bytes)
}

/** The path as Node's file functions take it: plain text when that is the same bytes, else a Buffer. */
export function toFsPath(path: ByteString): string | Buffer {
  return NOT_ASCII.test(path) ? Buffer.from(path, 'latin1') : path
}

/** A path that a person or Node gave as text, as its bytes. */
export function fromText(text: string): ByteString {
  return NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}

/** The bytes for a person: UTF-8 where it is valid, `\xNN` for what is not and for control characters. */
export function toText(bytes: ByteString): string {
  if (!NOT_ASCII.test(bytes)) return escapeControls(bytes)
  const buffer = Buffer.from(bytes, 'latin1')
  const text = buffer.toString('utf8')
  if (Buffer.from(text, 'utf8').equals(buffer)) return escapeControls(text)
  return escapeControls(bytes).replace(/[\x80-\xff]/g, escapeByte)
}

function escapeControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  return text.replace(/[\x00-\x1f\x7f]/g, escapeByte)
}

function escapeByte(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
}

/** `directory` and `name` as one path; the root directory is the empty path. */
export function joinPath(directory: ByteString, name: ByteString): ByteString {
  return directory === '' ? name : `${directory}/${name}`
}

/** The directory that holds `path`; the empty path for a name in the root. */
export function parentPath(path: ByteString): ByteString {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

export function baseName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1)
}
