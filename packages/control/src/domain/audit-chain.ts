import { AUDIT_HASH_FIRST, type AuditRow, auditHash } from './event.ts'

/** What the chain of an org says it holds. */
export interface AuditHead {
  readonly rows: number
  readonly hash: string
}

export interface AuditVerdict {
  readonly rows: number
  readonly brokenAt: number | null
  readonly detail: string
  readonly headHash: string
}

/** Follows a chain row by row. Pure: rows come in order, the verdict is asked for at the end. */
export class AuditFollower {
  readonly #sha256: (text: string) => string
  #rows = 0
  #hash = AUDIT_HASH_FIRST
  #broken: { readonly at: number; readonly detail: string } | undefined

  constructor(sha256: (text: string) => string) {
    this.#sha256 = sha256
  }

  follow(row: AuditRow): void {
    if (this.#broken) return
    this.#rows++
    if (row.previousHash !== this.#hash)
      this.#break(row.id, 'the row before it is not the one it was made after')
    else if (row.hash !== auditHash(row, row.previousHash, this.#sha256))
      this.#break(row.id, 'its content was changed')
    this.#hash = row.hash
  }

  /** `head`: kept beside the rows, so that a chain that was cut at its end does not pass. */
  verdict(head: AuditHead): AuditVerdict {
    if (!this.#broken && (head.rows !== this.#rows || head.hash !== this.#hash))
      this.#broken = {
        at: 0,
        detail: `${head.rows} rows were written, ${this.#rows} are there: the end was cut`,
      }
    const { at = null, detail = 'every row fits the one before it' } = this.#broken ?? {}
    return { rows: this.#rows, brokenAt: at, detail, headHash: head.hash }
  }

  #break(at: number, detail: string): void {
    this.#broken = { at, detail }
  }
}
