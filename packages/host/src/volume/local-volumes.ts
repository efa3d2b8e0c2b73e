import { readdirSync } from 'node:fs'
import type { HostVolumes, ResidentFiles, WorkspaceName } from '../workspace/resident-files.ts'
import { forgetVolume, WorkspaceVolume, type WorkspaceVolumeDeps } from './workspace-volume.ts'

/** The volumes in the folders of this host. */
export class LocalVolumes implements HostVolumes {
  readonly #deps: WorkspaceVolumeDeps

  constructor(deps: WorkspaceVolumeDeps) {
    this.#deps = deps
  }

  get workspaces(): readonly string[] {
    return readdirSync(this.#deps.layout.workspaces)
  }

  execs(workspace: string): string {
    return this.#deps.layout.execs(workspace)
  }

  open(name: WorkspaceName): Promise<ResidentFiles> {
    return WorkspaceVolume.open(this.#deps, name)
  }

  async forget(workspace: string): Promise<void> {
    await forgetVolume(this.#deps, { workspace })
  }
}
