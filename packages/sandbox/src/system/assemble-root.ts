import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { SystemSpec } from '@holdfast/protocol/sandbox-spec'
import { directoryPlan, type HostLook, machinePlan, type RootPlan } from './root-plan.ts'

const REACHABLE_MODE = 0o755
const STICKY_MODE = 0o1777

const HOST: HostLook = {
  kindOf(path) {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) return 'absent'
    if (found.isSymbolicLink()) return 'link'
    return found.isDirectory() ? 'directory' : 'file'
  },
  linkTarget: (path) => readlinkSync(path),
  list: (directory) => readdirSync(directory),
}

/** The plan of a system on this machine. Throws `invalid-argument` for a directory that is none. */
export function planRoot(system: SystemSpec): RootPlan {
  switch (system.kind) {
    case 'machine':
      return machinePlan(HOST)
    case 'directory': {
      if (HOST.kindOf(system.path) !== 'directory')
        throw new Failure('invalid-argument', `the system ${system.path} is not a directory`, {
          path: system.path,
        })
      return directoryPlan(HOST, realpathSync(system.path))
    }
    case 'image':
      throw new Failure('invalid-argument', `the image ${system.reference} is not unpacked here`)
  }
}

/** Makes the plan's directories, links and files, and the places of its mounts, in the empty directory `root`. */
export function assembleRoot(root: string, plan: RootPlan): void {
  const makeDirectory = (path: string) =>
    mkdirSync(join(root, path), { recursive: true, mode: REACHABLE_MODE })
  for (const path of plan.directories) makeDirectory(path)
  for (const bind of plan.binds) {
    if (bind.kind === 'directory') {
      makeDirectory(bind.target)
    } else {
      makeDirectory(dirname(bind.target))
      writeFileSync(join(root, bind.target), '')
    }
  }
  for (const [path, content] of Object.entries(plan.files)) {
    makeDirectory(dirname(path))
    writeFileSync(join(root, path), content)
  }
  for (const [path, target] of Object.entries(plan.links)) {
    makeDirectory(dirname(path))
    symlinkSync(target, join(root, path))
  }
  // runc gives a tmpfs the mode of the directory that it covers.
  for (const path of ['/tmp', '/var/tmp'])
    if (plan.directories.includes(path)) chmodSync(join(root, path), STICKY_MODE)
}
