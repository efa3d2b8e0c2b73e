import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface CommitChildOptions {
  readonly source: string
  /** Folders and files that exist, or are made. */
  readonly store: string
  readonly index: string
  /** A workspace that the index has. */
  readonly workspace: string
  /** Restores what was committed into a new directory, too. */
  readonly restoreTo?: string
}

export type CommitChildAnswer =
  | {
      readonly kind: 'committed' | 'unchanged'
      readonly id: string
      readonly root: string
    }
  | { readonly kind: 'failed'; readonly code: string; readonly details: Readonly<Record<string, unknown>> }

const MAIN = fileURLToPath(new URL('./commit-child.ts', import.meta.url))
const CHILD_MS_MAX = 60_000

/** Commits once in a process of its own, under another user if one is named. */
export function commitInProcess(
  options: CommitChildOptions,
  user: { readonly uid?: number; readonly gid?: number } = {},
): Promise<CommitChildAnswer> {
  const settings = { ...user, timeout: CHILD_MS_MAX, cwd: '/' }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, JSON.stringify(options)], settings, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`))
      else resolve(JSON.parse(stdout) as CommitChildAnswer)
    })
  })
}
