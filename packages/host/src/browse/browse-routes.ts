import type { BROWSE_CALLS } from '@holdfast/protocol/browse-calls'
import { HOST_STREAMS } from '@holdfast/protocol/host-streams'
import type { RpcHandlers, StreamHandler } from '@holdfast/rpc/rpc-server'
import { BROWSE_BOUNDS, type BrowseDeps } from './browse-deps.ts'
import { Bundles } from './bundles.ts'
import { diffGenerations } from './diff-generations.ts'
import { GenerationDatabases } from './generation-databases.ts'
import { sendGenerationFile } from './generation-file.ts'
import { listGenerationFiles } from './list-files.ts'
import { GenerationShelf } from './open-generation.ts'
import { queryGeneration } from './query-generation.ts'

export interface BrowseRoutes {
  readonly calls: RpcHandlers<typeof BROWSE_CALLS>
  readonly streams: Readonly<Record<string, StreamHandler>>
}

/** Answers for the generations of all workspaces of an installation, from the store alone. */
export function browseRoutes(deps: BrowseDeps): BrowseRoutes {
  const bounds = { ...BROWSE_BOUNDS, ...deps.bounds }
  const shelf = new GenerationShelf(deps)
  const databases = new GenerationDatabases(deps, bounds)
  const bundles = new Bundles(deps, shelf, bounds.bundleBytesMax)
  const parts = { shelf, databases, clock: deps.clock, bounds }
  return {
    calls: {
      listGenerationFiles: (request) => listGenerationFiles(shelf, request),
      diffGenerations: (request, signal) => diffGenerations(parts, request, signal),
      queryGeneration: (request, signal) => queryGeneration(parts, request, signal),
    },
    streams: {
      [HOST_STREAMS.generationFile]: (request, response, url) =>
        sendGenerationFile(parts, { request, response, url }),
      [HOST_STREAMS.bundle]: (request, response, url) => bundles.answer({ request, response, url }),
    },
  }
}
