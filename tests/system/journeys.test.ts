import { after, before, describe, test } from 'node:test'
import { CLI_JOURNEYS, HoldProcess } from '@holdfast/testkit/cli-journeys'
import { runExample, SDK_EXAMPLES } from '@holdfast/testkit/sdk-examples'
import { SDK_JOURNEYS } from '@holdfast/testkit/sdk-journeys'
import { type OneBox, startOneBox } from './one-box.ts'

describe('against an installation on one box', { concurrency: 2 }, () => {
  let box: OneBox

  before(async () => {
    box = await startOneBox()
  })
  after(() => box?.[Symbol.asyncDispose]())

  for (const [name, journey] of Object.entries(SDK_JOURNEYS))
    test(`SDK: ${name}`, { timeout: 60_000 }, () => journey(box))

  for (const name of Object.keys(SDK_EXAMPLES))
    test(`examples/sdk/${name} does what it says`, { timeout: 60_000 }, () => runExample(name, box))

  for (const [name, journey] of Object.entries(CLI_JOURNEYS))
    test(`CLI: ${name}`, { timeout: 120_000 }, async () => {
      using hold = new HoldProcess(box)
      await journey(hold)
    })
})
