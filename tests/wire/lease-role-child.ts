import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { startLeaseRole } from '@holdfast/lease/lease-role'
import { SqliteLeaseRegistry } from '@holdfast/lease/sqlite-lease-registry'

/** `node lease-role-child.ts PATH ADDRESS KEY`: a lease role of its own process, until its input ends. */
const [path = '', address = '', clusterKey = ''] = process.argv.slice(2)
const index = await SqliteGenerationIndex.open({ path })
const registry = await SqliteLeaseRegistry.open({ path })
await startLeaseRole({ index, registry, address, clusterKey })
process.stdout.write('ready\n')
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
