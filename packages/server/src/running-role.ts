/** A role that answers; disposing of it ends it in good order. */
export interface RunningRole extends AsyncDisposable {
  /** Where other roles reach it. */
  readonly address: string
  /** Where people reach it, for roles that have such a side. */
  readonly publicUrl: string | null
}
