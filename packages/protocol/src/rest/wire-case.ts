/** `lastDurableAt` → `last_durable_at`. */
type Snake<Text extends string> = Text extends `${infer Head}${infer Tail}`
  ? Tail extends Uncapitalize<Tail>
    ? `${Uncapitalize<Head>}${Snake<Tail>}`
    : `${Uncapitalize<Head>}_${Snake<Tail>}`
  : Text

/** `last_durable_at` → `lastDurableAt`. */
type Camel<Text extends string> = Text extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Text

/** Named apart because a branded id is an object too, to the compiler. */
type Plain = string | number | boolean | null | undefined

/** A document of the wire as the SDK shows it: names in camelCase, at every depth but below `OPAQUE`. */
export type FromWire<T> = T extends Plain
  ? T
  : T extends readonly (infer Item)[]
    ? readonly FromWire<Item>[]
    : T extends object
      ? {
          readonly [Name in keyof T as Name extends string ? Camel<Name> : Name]: Name extends OpaqueName
            ? T[Name]
            : FromWire<T[Name]>
        }
      : T

/** A document of the SDK as the wire has it. */
export type ToWire<T> = T extends Plain
  ? T
  : T extends readonly (infer Item)[]
    ? ToWire<Item>[]
    : T extends object
      ? {
          [Name in keyof T as Name extends string ? Snake<Name> : Name]: Name extends OpaqueName
            ? T[Name]
            : ToWire<T[Name]>
        }
      : T

/** What stands below these is the user's own: its names are left alone. */
const OPAQUE = ['environment', 'labels', 'payload', 'details'] as const
type OpaqueName = (typeof OPAQUE)[number]

const OPAQUE_NAMES: ReadonlySet<string> = new Set(OPAQUE)

export function camelName(name: string): string {
  return name.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase())
}

export function snakeName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

export function fromWire<T>(document: T): FromWire<T> {
  return renamed(document, camelName) as FromWire<T>
}

export function toWire<T>(document: T): ToWire<T> {
  return renamed(document, snakeName) as ToWire<T>
}

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      rename(name),
      OPAQUE_NAMES.has(name) ? inner : renamed(inner, rename),
    ]),
  )
}
