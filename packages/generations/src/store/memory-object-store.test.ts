import { systemClock } from '@holdfast/base/clock'
import { objectStoreConformance } from '@holdfast/testkit/object-store-conformance'
import { MemoryObjectStore } from './memory-object-store.ts'

objectStoreConformance('the memory store', async () => new MemoryObjectStore(systemClock))
