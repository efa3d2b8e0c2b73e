import { after } from 'node:test'
import { generationIndexConformance } from '@holdfast/testkit/generation-index-conformance'
import { indexHandlesConformance } from '@holdfast/testkit/generation-index-handles'
import { leaseRegistryConformance } from '@holdfast/testkit/lease-registry-conformance'
import { openPostgresLeases } from '@holdfast/testkit/postgres-leases'
import { PostgresServer } from '@holdfast/testkit/postgres-server'

const server = await PostgresServer.start()
after(() => server[Symbol.asyncDispose]())

generationIndexConformance('the index in Postgres', () => openPostgresLeases(server))
indexHandlesConformance('the index in Postgres', () => openPostgresLeases(server))
leaseRegistryConformance('the registry in Postgres', (clock) => openPostgresLeases(server, clock))
