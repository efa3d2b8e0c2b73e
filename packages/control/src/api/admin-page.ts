import { readFileSync } from 'node:fs'

/** A file that a browser gets as it is, without a key. */
export interface StaticFile {
  readonly paths: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const FILES = [
  { name: 'admin.html', paths: ['/admin', '/admin/'], type: 'text/html; charset=utf-8' },
  { name: 'admin.css', paths: ['/admin/admin.css'], type: 'text/css; charset=utf-8' },
  { name: 'icon.svg', paths: ['/admin/icon.svg'], type: 'image/svg+xml' },
  { name: 'admin.js', paths: ['/admin/admin.js'], type: 'text/javascript; charset=utf-8' },
] as const

/** The page may run and reach what this server serves, and nothing else; nobody may put it into a frame. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The read-only view of an installation: it asks the API with the key that a person gives it. */
export function adminPage(): readonly StaticFile[] {
  return FILES.map(({ name, paths, type }) => ({
    paths,
    headers: { 'content-type': type, 'content-security-policy': CONTENT_SECURITY_POLICY },
    body: readFileSync(new URL(`../admin/${name}`, import.meta.url), 'utf8'),
  }))
}
