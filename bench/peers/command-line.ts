import { join } from 'node:path'
import { measuredCommand, outputOf } from '../measure.ts'
import type { BackupPeer } from './backup-peer.ts'

export const HOLD = join(import.meta.dirname, '../../bin/hold')

/** True if the command line has the verb. */
export async function knowsCommand(verb: string): Promise<boolean> {
  const help = await outputOf(HOLD, 'dir', verb, '--help')
  return help?.includes(`hold dir ${verb}`) ?? false
}

/** Our own command, each step a whole process: what a person waits for who keeps nothing running. */
export const commandLine: BackupPeer = {
  name: 'hold',
  aptPackage: '',
  version: async () => ((await knowsCommand('commit')) ? 'this checkout' : undefined),
  async open(folder) {
    const path = join(folder, 'store')
    const env = { HOLDFAST_HOME: join(folder, 'home') }
    const hold = async (...args: string[]) =>
      (await measuredCommand({ file: HOLD, args: ['dir', ...args], env })).cost
    let begun = ''
    return {
      path,
      commit: async (source) => {
        if (begun === '') await hold('init', source, '--store', path)
        begun = source
        return hold('commit', source)
      },
      restore: (target) => hold('restore', begun, '--to', join(target, 'tree')),
    }
  },
}
