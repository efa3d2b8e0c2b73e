import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'

/*
 * What a host keeps. Nothing of it is irreplaceable: the store and the history have the workspaces.
 *
 *     <state>/home/…                    the storage engine's: caches, local generations, the btrfs image
 *     <state>/workspaces/<id>/files     the directory that becomes `/workspace`
 *     <state>/workspaces/<id>/seed.json which generation `files` equals while nothing runs
 *     <state>/workspaces/<id>/execs/…   commands and the last part of their output
 *     <state>/sandboxes/<id>/           the runtime's files of a sandbox that runs
 *     <state>/scratch/                  drills, databases of generations, bundles; removed at a start
 *     <state>/events                    what control was not yet told
 *     <state>/watchdog/                 the watchdog's lock and what it watches
 *     <state>/images/<digest>/root      systems that were pulled, read-only for all who use them
 */
export class HostLayout {
  readonly path: string

  constructor(path: string) {
    mkdirSync(path, { recursive: true, mode: 0o711 })
    this.path = realpathSync(path)
    for (const name of ['home', 'workspaces', 'sandboxes', 'scratch', 'watchdog'])
      mkdirSync(join(this.path, name), { recursive: true, mode: name === 'workspaces' ? 0o711 : 0o700 })
  }

  get home(): string {
    return join(this.path, 'home')
  }

  get workspaces(): string {
    return join(this.path, 'workspaces')
  }

  get sandboxes(): string {
    return join(this.path, 'sandboxes')
  }

  get watchdog(): string {
    return join(this.path, 'watchdog')
  }

  get scratch(): string {
    return join(this.path, 'scratch')
  }

  get events(): string {
    return join(this.path, 'events')
  }

  get images(): string {
    return join(this.path, 'images')
  }

  workspace(id: string): string {
    return join(this.workspaces, id)
  }

  files(id: string): string {
    return join(this.workspace(id), 'files')
  }

  execs(id: string): string {
    return join(this.workspace(id), 'execs')
  }
}
