/** How far the staging of a commit is, in files that have to be read and their bytes. */
export interface StageProgress {
  readonly filesDone: number
  readonly bytesDone: number
  /** Known once everything has been surveyed. */
  readonly filesTotal?: number
  readonly bytesTotal?: number
}

/** What a survey found that has to be read. */
export interface ToRead {
  readonly files: number
  readonly bytes: number
}

/** Sums up what several threads have surveyed and read. */
export class StageMeter {
  readonly #jobs: number
  readonly #tell: (progress: StageProgress) => void
  #surveyed = 0
  #files = 0
  #bytes = 0
  #filesDone = 0
  #bytesDone = 0

  /** `jobs`: how many surveys there will be. */
  constructor(jobs: number, tell: (progress: StageProgress) => void) {
    this.#jobs = jobs
    this.#tell = tell
  }

  surveyed({ files, bytes }: ToRead): void {
    this.#surveyed++
    this.#files += files
    this.#bytes += bytes
    this.#report()
  }

  read({ files, bytes }: ToRead): void {
    this.#filesDone += files
    this.#bytesDone += bytes
    this.#report()
  }

  #report(): void {
    const done = { filesDone: this.#filesDone, bytesDone: this.#bytesDone }
    const isSurveyed = this.#surveyed === this.#jobs
    this.#tell(isSurveyed ? { ...done, filesTotal: this.#files, bytesTotal: this.#bytes } : done)
  }
}
