import type { Compilable, CompiledQuery } from 'kysely'

export type Values = Readonly<Record<string, string | number | null>>

/** Stands for a value while a query is built. */
class Slot {
  readonly row: number
  readonly column: string

  constructor(row: number, column: string) {
    this.row = row
    this.column = column
  }
}

/**
 * Queries that are built and compiled once for each name, and from then on only given their values: to build and
 * compile one takes longer than SQLite takes to run it.
 */
export class KeptQueries {
  readonly #kept = new Map<string, CompiledQuery>()

  /** `build` sees stand-ins: what it makes of them depends on the name alone. */
  query<Given extends Values, Row>(
    name: string,
    rows: readonly Given[],
    build: (rows: readonly Given[]) => Compilable<Row>,
  ): CompiledQuery<Row> {
    const kept = this.#kept.get(name) ?? this.#keep(name, build(rows.map(standIns)))
    const parameters = kept.parameters.map((value) =>
      value instanceof Slot ? rows[value.row]?.[value.column] : value,
    )
    return { ...(kept as CompiledQuery<Row>), parameters }
  }

  #keep(name: string, built: Compilable): CompiledQuery {
    const compiled = built.compile()
    this.#kept.set(name, compiled)
    return compiled
  }
}

/** Whoever builds a query only hands values on: a slot is taken for one as well. */
function standIns<Given extends Values>(row: Given, index: number): Given {
  const slots = Object.keys(row).map((column) => [column, new Slot(index, column)] as const)
  return Object.fromEntries(slots) as unknown as Given
}
