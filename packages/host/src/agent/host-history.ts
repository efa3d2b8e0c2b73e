import { readKeyFile } from '@holdfast/generations/directory/durable-directory'
import type { FrameCoding } from '@holdfast/generations/format/frame'
import { createFrameSeal } from '@holdfast/generations/format/frame-seal'
import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import type { ObjectStore } from '@holdfast/generations/store/object-store'
import type { HostAgentDeps, HostAgentOptions } from './host-agent-deps.ts'

/** The generations of all workspaces of an installation, as any of its hosts can read them. */
export interface HostHistory extends AsyncDisposable {
  readonly store: ObjectStore
  readonly index: GenerationIndex
  readonly sealKey: Uint8Array | null
  readonly coding: FrameCoding
}

/** Rejects with `wrong-key`, and as opening the store does. */
export async function openHostHistory(
  { openStore, openIndex }: Pick<HostAgentDeps, 'openStore' | 'openIndex'>,
  { store: address, keyFile }: Pick<HostAgentOptions, 'store' | 'keyFile'>,
): Promise<HostHistory> {
  await using stack = new AsyncDisposableStack()
  const sealKey = keyFile === null ? null : readKeyFile(keyFile)
  const store = stack.use(await openStore(address))
  const index = stack.use(await openIndex(address))
  const opened = stack.move()
  return {
    ...{ store, index, sealKey, coding: { seal: sealKey && createFrameSeal(sealKey) } },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
