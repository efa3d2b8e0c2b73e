import { present } from '@holdfast/base/assert'
import type { Context } from './open-context.ts'

export interface ArgumentSpec {
  /** `DIR`; a person sees `<DIR>`, `[DIR]` or `[DIR...]`. */
  readonly name: string
  readonly about: string
  readonly presence: 'required' | 'optional' | 'rest'
}

export interface OptionSpec {
  /** `-m, --message <TEXT>`; without `<…>` it is a switch. */
  readonly flags: string
  readonly about: string
  /** What happens without it, in words. */
  readonly otherwise?: string
  /** The only values it takes. */
  readonly choices?: readonly string[]
  /** It may be given several times; each value counts. */
  readonly repeats?: true
}

export interface Example {
  /** Behind `hold `. */
  readonly line: string
  readonly shows: string
}

/** One command: its help, its page in docs/cli.md and its completions are all made of this. */
export interface CommandSpec {
  /** `['dir', 'history']` for `hold dir history`. */
  readonly path: readonly string[]
  /** Other last words for it. */
  readonly aliases?: readonly string[]
  /** It is what its group does where no command of the group is named. */
  readonly isDefault?: true
  /** One line, in the imperative. */
  readonly summary: string
  /** What a person should know before using it. */
  readonly notes?: string
  readonly arguments: readonly ArgumentSpec[]
  readonly options: readonly OptionSpec[]
  readonly examples: readonly [Example, ...Example[]]
  /** Resolves with the exit code; undefined means 0. */
  readonly run: (context: Context, given: Given) => Promise<number | undefined>
}

/** What a person typed, by the names in the command's spec. */
export class Given {
  readonly #arguments: ReadonlyMap<string, unknown>
  readonly #options: Readonly<Record<string, unknown>>

  constructor(args: ReadonlyMap<string, unknown>, options: Readonly<Record<string, unknown>>) {
    this.#arguments = args
    this.#options = options
  }

  /** A required argument. */
  argument(name: string): string {
    return present(this.optionalArgument(name), `argument ${name}`)
  }

  optionalArgument(name: string): string | undefined {
    const value = this.#arguments.get(name)
    return typeof value === 'string' ? value : undefined
  }

  /** All words of a rest argument. */
  rest(name: string): readonly string[] {
    const value = this.#arguments.get(name)
    return Array.isArray(value) ? value.map(String) : []
  }

  /** The value of an option, by its long name in camelCase. */
  option(name: string): string | undefined {
    const value = this.#options[name]
    return typeof value === 'string' ? value : undefined
  }

  /** All values of an option that may be given several times. */
  options(name: string): readonly string[] {
    const value = this.#options[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  has(name: string): boolean {
    return this.#options[name] === true
  }
}
