import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Installation } from './installation.ts'
import { Ledger } from './ledger.ts'

test('a host agent that is killed loses nothing that was synced, and its workspace runs on elsewhere', {
  timeout: 60_000,
}, async () => {
  await using installation = await Installation.start()
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  await ledger.sync()
  const { epoch } = (await workspace.refresh()).state
  const first = installation.hostOf(workspace) ?? ''
  await installation.host(first).kill()
  await installation.recovered(workspace, epoch)
  assert.notEqual(installation.hostOf(workspace), first)
  await ledger.audit()
})
