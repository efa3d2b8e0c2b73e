import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { openFolderObjectStore } from '@holdfast/generations/store/folder-object-store'
import { countCalls, type Injection, type TracedPut, tracedBytes, tracePut } from './traced-put.ts'

const deps = { clock: systemClock, randomness: systemRandomness }
const key = 'org/pack'

/** What a run finds: no store, one without the object, or one that has it from an earlier attempt. */
export type Start = 'absent' | 'empty' | 'present'

/** A temporary folder in which one put after another runs under strace. */
export class TracedGround implements Disposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'holdfast-trace-'))
  #runs = 0

  async freshPut(start: Start): Promise<TracedPut> {
    this.#runs += 1
    const folder = join(this.#path, `run-${this.#runs}`, 'store')
    const put = { folder, key, bytes: 3_000, log: join(this.#path, `log-${this.#runs}`) }
    if (start === 'absent') return put
    await using store = await openFolderObjectStore(put.folder, deps)
    if (start === 'present') await store.put(key, [tracedBytes(put)])
    return put
  }

  /** One injection of `effect` for each time that an undisturbed run makes one of `calls`. */
  async everyCall(start: Start, calls: readonly string[], effect: string): Promise<Injection[]> {
    const put = await this.freshPut(start)
    assert.equal(await tracePut(put), 'stored')
    const counts = await countCalls(put.log)
    return calls.flatMap((call) =>
      Array.from({ length: counts.get(call) ?? 0 }, (_, index) => ({ calls: call, effect, at: index + 1 })),
    )
  }

  /** Runs a put under each injection, two at a time: most of it is spent on processes that start. */
  async underEach(
    start: Start,
    injections: readonly Injection[],
    check: (put: TracedPut, outcome: string, injection: Injection) => Promise<void>,
  ): Promise<void> {
    const left = [...injections]
    const worker = async () => {
      for (let injection = left.shift(); injection; injection = left.shift()) {
        const put = await this.freshPut(start)
        await check(put, await tracePut(put, injection), injection)
      }
    }
    await Promise.all([worker(), worker()])
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true, force: true })
  }
}

/** The object is absent or whole, whole if the process said so, and can be put again. */
export async function assertSound(put: TracedPut, outcome: string): Promise<void> {
  await using store = await openFolderObjectStore(put.folder, deps)
  const found = await store.head(put.key)
  if (outcome === 'stored') assert.ok(found, 'an acknowledged object is there')
  if (found) assert.ok(tracedBytes(put).equals(await store.get(put.key)), 'an object that is there is whole')
  await store.put(put.key, [tracedBytes(put)])
  assert.ok(tracedBytes(put).equals(await store.get(put.key)))
}
