import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unmountBelow } from '@holdfast/testkit/remove-tree'
import { freePorts, ServiceProcess } from './service-process.ts'

/** An installation as `hold up` makes it, in a folder of its own. */
export interface OneBox extends AsyncDisposable {
  readonly url: string
  readonly appsUrl: string
  readonly apiKey: string
}

/** `registries`: those that may be on this machine. */
export async function startOneBox({
  registries = [],
}: {
  readonly registries?: readonly string[]
} = {}): Promise<OneBox> {
  await using opened = new AsyncDisposableStack()
  const home = mkdtempSync(join(tmpdir(), 'hold-box-'))
  opened.defer(() => rmSync(home, { recursive: true, force: true }))
  // Volumes stay mounted for the next start; here there is none.
  opened.defer(() => unmountBelow(home))
  const [api, apps] = await freePorts(2)
  opened.use(
    await ServiceProcess.start({
      words: [
        'up',
        '--api',
        `127.0.0.1:${api}`,
        '--apps',
        `127.0.0.1:${apps}`,
        '--runtime',
        'runc',
        ...registries.flatMap((host) => ['--registry', host]),
      ],
      logPath: join(home, 'up.log'),
      environment: { HOLDFAST_HOME: home },
      ready: /^Next, /m,
    }),
  )
  const found: { url: string; appsUrl: string; apiKey: string } = JSON.parse(
    readFileSync(join(home, 'server.json'), 'utf8'),
  )
  const held = opened.move()
  return { ...found, [Symbol.asyncDispose]: () => held.disposeAsync() }
}
