/** Why a generation was committed. */
export const GENERATION_CAUSES = [
  'periodic',
  'sync',
  'checkpoint',
  'stop',
  'restart',
  'fork',
  'rollback',
  'handoff',
  'termination',
  'import',
] as const
export type GenerationCause = (typeof GENERATION_CAUSES)[number]

/** `cut`: SQLite and files are of one instant. `per-database`: each database is consistent by itself. */
export const CONSISTENCIES = ['cut', 'per-database'] as const
export type Consistency = (typeof CONSISTENCIES)[number]
