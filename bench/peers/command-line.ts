import { join } from 'node:path'
import { measuredCommand, outputOf } from '../measure.ts'
import type { BackupPeer } from './backup-peer.ts'

const HOLD = join(import.meta.dirname, '../../bin/hold')

/** Our own command, each step a whole process: what a person waits for who keeps nothing running. */
export const commandLine: BackupPeer = {
  name: 'hold',
  aptPackage: '',
  version: () => outputOf(HOLD, '--version'),
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
      restore: (target) => hold('restore', begun, join(target, 'tree')),
    }
  },
}
