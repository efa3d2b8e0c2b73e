import { generationIndexConformance } from '@holdfast/testkit/generation-index-conformance'
import { MemoryGenerationIndex } from './memory-generation-index.ts'

generationIndexConformance('the index in memory', async () => {
  const index = new MemoryGenerationIndex()
  return { index, close: () => index[Symbol.asyncDispose]() }
})
