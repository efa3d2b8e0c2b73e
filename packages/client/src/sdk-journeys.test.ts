import { describe, test } from 'node:test'
import { startApiDouble } from '@holdfast/testkit/api-double'
import { SDK_JOURNEYS } from '@holdfast/testkit/sdk-journeys'

describe('against a strict double of the API', () => {
  for (const [name, journey] of Object.entries(SDK_JOURNEYS)) {
    test(name, { timeout: 30_000 }, async () => {
      await using double = await startApiDouble()
      await journey(double)
    })
  }
})
