import { MemoryGenerationIndex } from '@holdfast/generations/index/memory-generation-index'
import { leaseRegistryConformance } from './lease-registry-conformance.ts'
import { MemoryLeaseRegistry } from './memory-lease-registry.ts'

leaseRegistryConformance('the registry in memory', async (clock) => {
  const index = new MemoryGenerationIndex()
  const registry = new MemoryLeaseRegistry(index, clock)
  return { index, registry, close: () => index[Symbol.asyncDispose]() }
})
