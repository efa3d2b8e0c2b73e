import { z } from 'zod'
import { CONSISTENCIES, GENERATION_CAUSES } from './generation.ts'
import type { RpcTable } from './rpc-table.ts'

const Empty = z.strictObject({})
const OfWorkspace = z.strictObject({ workspace: z.string() })
const OfGeneration = z.strictObject({ id: z.string() })
const OfOrg = z.strictObject({ org: z.string() })
const Names = z.array(z.string()).readonly()
const OfPacks = z.strictObject({ org: z.string(), names: Names })
const Clock = z.strictObject({ clock: z.int() })

const LeaseShown = z.strictObject({ org: z.string(), workspace: z.string(), epoch: z.int() })
const Pack = z.strictObject({ name: z.string(), bytes: z.int(), sha256: z.string() })
const Packs = z.array(Pack).readonly()

const Workspace = z.strictObject({
  id: z.string(),
  org: z.string(),
  epoch: z.int(),
  head: z.string().nullable(),
  forkedFrom: z.string().nullable(),
})

/** What a commit says about its generation and the history keeps. */
const Said = z.strictObject({
  id: z.string(),
  parent: z.string().nullable(),
  sequence: z.int(),
  recordPack: z.string(),
  root: z.string(),
  cause: z.enum(GENERATION_CAUSES),
  message: z.string(),
  createdAt: z.int(),
  files: z.int(),
  bytes: z.int(),
  consistency: z.enum(CONSISTENCIES),
})

const Generation = z.strictObject({
  ...Said.shape,
  workspace: z.string(),
  epoch: z.int(),
  verifiedAt: z.int().nullable(),
  retained: z.boolean(),
})

/**
 * The history of generations, which decides what exists: the methods of the engine's `GenerationIndex`, with their
 * promises and failures, one call each. Epochs are given out by `LEASE_CALLS`, which the same role answers.
 */
export const HISTORY_CALLS = {
  createWorkspace: {
    request: z.strictObject({ id: z.string(), org: z.string(), forkedFrom: z.string().exactOptional() }),
    response: Empty,
  },
  workspace: { request: OfGeneration, response: Workspace },
  workspaces: {
    request: OfOrg,
    response: z.strictObject({ workspaces: z.array(Workspace).readonly() }),
  },
  append: {
    request: z.strictObject({
      lease: LeaseShown,
      commit: z.strictObject({ ...Said.shape, newPacks: Packs, usedPacks: Names, gcSeen: z.int() }),
    }),
    response: Empty,
  },
  generation: { request: OfGeneration, response: Generation },
  history: {
    request: z.strictObject({
      workspace: z.string(),
      page: z.strictObject({
        limit: z.int(),
        beforeSequence: z.int().exactOptional(),
        retainedOnly: z.boolean().exactOptional(),
      }),
    }),
    response: z.strictObject({ generations: z.array(Generation).readonly() }),
  },
  markVerified: { request: z.strictObject({ id: z.string(), verifiedAt: z.int() }), response: Empty },
  dropGenerations: { request: z.strictObject({ ids: Names }), response: Empty },
  chunkIndex: {
    request: OfWorkspace,
    response: z.strictObject({ baseObjects: Names, deltaPacks: Packs }),
  },
  replaceIndex: {
    request: z.strictObject({
      lease: LeaseShown,
      replacement: z.strictObject({
        replaces: Names,
        baseObjects: Names,
        newPacks: Packs,
        covered: Names,
        gcSeen: z.int(),
      }),
    }),
    response: Empty,
  },
  gcClock: { request: OfOrg, response: Clock },
  packs: {
    request: z.strictObject({ org: z.string(), state: z.enum(['live', 'condemned', 'deleted']) }),
    response: z.strictObject({
      packs: z.array(z.strictObject({ ...Pack.shape, condemnedAt: z.int().nullable() })).readonly(),
    }),
  },
  condemnPacks: {
    request: z.strictObject({ ...OfPacks.shape, condemnedAt: z.int() }),
    response: Clock,
  },
  reprievePacks: { request: OfPacks, response: Empty },
  advanceBoundary: { request: z.strictObject({ org: z.string(), clock: z.int() }), response: Empty },
  forgetPacks: { request: OfPacks, response: Empty },
} as const satisfies RpcTable
