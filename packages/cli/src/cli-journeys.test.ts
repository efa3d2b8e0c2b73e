import { describe, test } from 'node:test'
import { startApiDouble } from '@holdfast/testkit/api-double'
import { CLI_JOURNEYS, HoldProcess, portForwarding } from '@holdfast/testkit/cli-journeys'

describe('against a strict double of the API', { concurrency: 2 }, () => {
  const journeys = { ...CLI_JOURNEYS, 'a port of a workspace is brought here': portForwarding }
  for (const [name, journey] of Object.entries(journeys)) {
    test(name, { timeout: 60_000 }, async () => {
      await using double = await startApiDouble()
      using hold = new HoldProcess(double)
      await journey(hold)
    })
  }
})
