import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { noise } from '@holdfast/testkit/noise'
import { StageMeter, type StageProgress } from './stage-meter.ts'

const MIB = 1 << 20

test('a commit by several threads tells how far it is, and ends with everything that there was to read', async () => {
  await using workspace = await CommittedWorkspace.open()
  writeFileSync(workspace.path('large'), noise(1, 40 * MIB))
  for (let file = 0; file < 200; file++) writeFileSync(workspace.path(`small-${file}`), noise(file, 1000))
  const told: StageProgress[] = []
  const { files, bytes } = await workspace.commitNew({ onProgress: (progress) => told.push(progress) })
  assert.deepEqual(told.at(-1), {
    filesDone: files,
    filesTotal: files,
    bytesDone: bytes,
    bytesTotal: bytes,
  })
  assert.ok(told.some(({ bytesDone }) => bytesDone > 0 && bytesDone < bytes))
  for (const [index, { bytesDone }] of told.entries())
    assert.ok(bytesDone >= (told[index - 1]?.bytesDone ?? 0))
})

test('totals are told once everything has been surveyed, not before', () => {
  const told: StageProgress[] = []
  const meter = new StageMeter(2, (progress) => told.push(progress))
  meter.surveyed({ files: 1, bytes: 10 })
  meter.read({ files: 1, bytes: 10 })
  meter.surveyed({ files: 2, bytes: 30 })
  assert.deepEqual(told, [
    { filesDone: 0, bytesDone: 0 },
    { filesDone: 1, bytesDone: 10 },
    { filesDone: 1, bytesDone: 10, filesTotal: 3, bytesTotal: 40 },
  ])
})
