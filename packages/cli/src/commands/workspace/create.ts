import { Failure } from '@holdfast/base/failure'
import type { CreateOptions } from '@holdfast/client/workspace'
import type { CommandSpec, Given } from '../../command.ts'
import { parseChoice, parseDurationMs, parsePairs, parseSizeBytes } from '../../parameters.ts'
import { CMD, DAY_MS } from './parameters-of-workspaces.ts'
import { runRemote, tellRefusal } from './remote-command.ts'
import { nameOf, workspaceShown } from './workspace-forms.ts'

const IDLE_DAYS_MAX = 30

export const createCommand: CommandSpec = {
  path: ['create'],
  summary: 'Create a workspace, and run a command in it if there is one',
  arguments: [
    {
      name: 'NAME',
      presence: 'optional',
      about: 'its name: at most 63 of a-z, 0-9 and - (default: it has only an id)',
    },
    CMD,
  ],
  options: [
    { flags: '--if-exists <WHAT>', about: 'fail, or connect to the one of that name', otherwise: 'fail' },
    { flags: '-l, --label <NAME=VALUE>', about: 'a label; may be repeated', repeats: true },
    {
      flags: '-e, --env <NAME=VALUE>',
      about: 'a variable of every command in it; may be repeated',
      repeats: true,
    },
    { flags: '--memory <SIZE>', about: 'at most so much memory, as 512M' },
    { flags: '--disk <SIZE>', about: 'at most so much disk, as 2G' },
    { flags: '--cpus <N>', about: 'at most so many CPUs, as 1.5' },
    { flags: '--runtime <KIND>', about: 'what runs it', otherwise: 'the best that isolates enough' },
    { flags: '--isolation <KIND>', about: 'at least so much: shared-kernel, sandboxed-kernel or vm' },
    { flags: '--root-dir <DIR>', about: 'a directory of the host as its system' },
    { flags: '--image <REF>', about: 'an image of a registry as its system, as registry.example/name:tag' },
    {
      flags: '--system-writes <WHAT>',
      about: 'writes to the system: refused, discarded with the sandbox, or kept in the generations',
      otherwise: 'refused',
    },
    {
      flags: '--pack <NAME=REF>',
      about: 'content of a registry, read-only in /workspace/packs/NAME; may be repeated',
      repeats: true,
    },
    {
      flags: '--idle-timeout <TIME>',
      about: 'stop it when nothing has used it for so long, as 30m; never: 0s',
    },
    { flags: '--allow-root', about: 'let commands run as root inside it' },
  ],
  examples: [
    { line: 'create box', shows: 'a workspace that is called box' },
    {
      line: 'create box --if-exists connect -- make',
      shows: 'make it unless it is there, and run a command in it',
    },
    {
      line: 'create box --allow-root --system-writes kept',
      shows: 'one in which root installs packages that stay',
    },
    {
      line: 'create box --pack guides=registry.example/guides:v2',
      shows: 'read-only content at packs/guides',
    },
    { line: 'create --memory 512M -l team=data -q', shows: 'one without a name: prints its id' },
  ],
  async run(context, given) {
    const server = await context.server()
    const asked = createOptionsOf(given)
    const { result: workspace } = await context.timed(
      'creating',
      () => ({}),
      () => server.create(asked),
    )
    const argv = given.rest('CMD')
    if (argv.length === 0) {
      const named = nameOf(workspace.state)
      const told = `Workspace ${named} is ${workspace.status}. Next: hold exec ${named} -- CMD`
      await context.output.show(workspaceShown(workspace.state, told))
      return undefined
    }
    const passInput = !context.terminal.isInputTerminal
    try {
      return await runRemote(context, workspace, { argv, options: {}, passInput, onTerminal: false })
    } catch (error) {
      return tellRefusal(context, error)
    }
  },
}

function createOptionsOf(given: Given): CreateOptions {
  const name = given.optionalArgument('NAME')
  const system = systemOf(given)
  const idle = given.option('idleTimeout')
  const limits = limitsOf(given)
  return {
    ...(name === undefined ? {} : { name }),
    ifExists: parseChoice('--if-exists', given.option('ifExists'), ['fail', 'connect']),
    labels: parsePairs('--label', given.options('label')),
    environment: parsePairs('--env', given.options('env')),
    runtime: parseChoice('--runtime', given.option('runtime'), ['runc', 'runsc', 'bwrap', 'none']),
    isolationMin: parseChoice('--isolation', given.option('isolation'), ISOLATIONS),
    ...(system === undefined ? {} : { system }),
    systemWrites: parseChoice('--system-writes', given.option('systemWrites'), SYSTEM_WRITES),
    packs: packsOf(given.options('pack')),
    idleTimeoutMs: idle === undefined ? undefined : idleTimeoutOf(idle),
    allowRoot: given.has('allowRoot'),
    ...(limits === undefined ? {} : { limits }),
  }
}

function systemOf(given: Given): CreateOptions['system'] {
  const path = given.option('rootDir')
  const reference = given.option('image')
  if (path !== undefined && reference !== undefined)
    throw new Failure('invalid-argument', 'a system is a directory or an image: --root-dir or --image')
  if (path !== undefined) return { kind: 'directory', path }
  return reference === undefined ? undefined : { kind: 'image', reference }
}

function packsOf(texts: readonly string[]): NonNullable<CreateOptions['packs']> {
  return texts.flatMap((text) =>
    Object.entries(parsePairs('--pack', [text])).map(([name, source]) => ({ name, source })),
  )
}

const SYSTEM_WRITES = ['refused', 'discarded', 'kept'] as const

const ISOLATIONS = ['none', 'shared-kernel', 'sandboxed-kernel', 'vm'] as const

function idleTimeoutOf(text: string): number | null {
  const ms = parseDurationMs('--idle-timeout', text, { minMs: 0, maxMs: IDLE_DAYS_MAX * DAY_MS })
  return ms === 0 ? null : ms
}

function limitsOf(given: Given): CreateOptions['limits'] {
  const memory = given.option('memory')
  const disk = given.option('disk')
  const cpus = given.option('cpus')
  if (memory === undefined && disk === undefined && cpus === undefined) return undefined
  return {
    ...(memory === undefined ? {} : { memoryBytes: parseSizeBytes('--memory', memory) }),
    ...(disk === undefined ? {} : { diskBytes: parseSizeBytes('--disk', disk) }),
    ...(cpus === undefined ? {} : { cpus: Number(cpus) }),
  }
}
