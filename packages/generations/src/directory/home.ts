import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import { readJsonFile, replaceFile, replaceVolatileFile, syncDirectory } from './json-file.ts'

/*
 * What one user of one machine keeps beside the stores:
 *
 *     <home>/orgs/<org>/org.json              the store's address and key of one set of directories
 *     <home>/orgs/<org>/index.sqlite          their histories
 *     <home>/dirs/<workspace>/directory.json  one directory: its path, its org, its volume
 *     <home>/dirs/<workspace>/…               caches and the sockets of a running watcher
 *
 * Directories that share a store share an org, and with it their chunks. An org's name is random, so that two homes
 * in one store never take each other's packs for garbage.
 */
export interface OrgConfig {
  readonly format: 1
  readonly org: string
  /** As `openObjectStore` takes it. */
  readonly store: string
  /** A file with 64 hex digits, or null for a store that is not sealed. */
  readonly keyFile: string | null
}

export interface DirectoryConfig {
  readonly format: 1
  readonly workspace: string
  readonly org: string
  /** Absolute and real. */
  readonly path: string
  readonly volume: 'live' | 'btrfs'
}

/** Registry of the directories that this user keeps. */
export class Home {
  readonly path: string

  constructor(path: string) {
    this.path = path
    mkdirSync(join(path, 'orgs'), { recursive: true, mode: 0o700 })
    mkdirSync(join(path, 'dirs'), { recursive: true, mode: 0o700 })
  }

  orgPath(org: string): string {
    return join(this.path, 'orgs', org)
  }

  indexPath(org: string): string {
    return join(this.orgPath(org), 'index.sqlite')
  }

  directoryPath(workspace: string): string {
    return join(this.path, 'dirs', workspace)
  }

  saveOrg(config: OrgConfig): void {
    replaceFile(join(this.orgPath(config.org), 'org.json'), `${JSON.stringify(config, null, 2)}\n`)
  }

  saveDirectory(config: DirectoryConfig): void {
    replaceFile(this.#configPath(config.workspace), `${JSON.stringify(config, null, 2)}\n`)
  }

  /** For a directory that is made again from its history where this record does not survive a loss of power. */
  noteDirectory(config: DirectoryConfig): void {
    replaceVolatileFile(this.#configPath(config.workspace), `${JSON.stringify(config, null, 2)}\n`)
  }

  #configPath(workspace: string): string {
    return join(this.directoryPath(workspace), 'directory.json')
  }

  /** Ends what is known of a directory; its history and its store stay. */
  removeDirectory(workspace: string): void {
    const folder = this.directoryPath(workspace)
    rmSync(this.#configPath(workspace), { force: true })
    syncDirectory(folder)
    rmSync(folder, { recursive: true, force: true })
  }

  /** Rejects with `history-corrupt` or `version-unknown`. */
  org(org: string): OrgConfig {
    const path = join(this.orgPath(org), 'org.json')
    const found = readJsonFile(path)
    if (found === undefined) throw new Failure('history-corrupt', `${path} is gone`, { path })
    checkFormat(found, path)
    const { store, keyFile } = found
    if (typeof store !== 'string' || (keyFile !== null && typeof keyFile !== 'string')) throw damaged(path)
    return { format: 1, org, store, keyFile }
  }

  /** A folder with neither a config nor an index is what a killed `init` left: no org. */
  orgs(): OrgConfig[] {
    const begun = (org: string) =>
      existsSync(join(this.orgPath(org), 'org.json')) || existsSync(this.indexPath(org))
    return readdirSync(join(this.path, 'orgs'))
      .filter(begun)
      .map((org) => this.org(org))
  }

  directories(): DirectoryConfig[] {
    const found: DirectoryConfig[] = []
    for (const workspace of readdirSync(join(this.path, 'dirs'))) {
      const config = this.directory(workspace)
      if (config) found.push(config)
    }
    return found
  }

  /** The directory at an absolute path. Rejects with `not-found`. */
  directoryAt(path: string): DirectoryConfig {
    const found = this.directories().find((config) => config.path === path)
    if (found) return found
    throw new Failure('not-found', `${path} has no history here: begin one with \`hold dir init ${path}\``, {
      path,
    })
  }

  /** Undefined where nothing is recorded. Rejects with `history-corrupt` or `version-unknown`. */
  directory(workspace: string): DirectoryConfig | undefined {
    const path = this.#configPath(workspace)
    if (statSync(path, { throwIfNoEntry: false })?.size === 0) return undefined // power was lost before it was there
    const found = readJsonFile(path)
    if (found === undefined) return undefined
    checkFormat(found, path)
    const { org, path: at, volume } = found
    if (typeof org !== 'string' || typeof at !== 'string' || (volume !== 'live' && volume !== 'btrfs'))
      throw damaged(path)
    return { format: 1, workspace, org, path: at, volume }
  }
}

function checkFormat(found: Record<string, unknown>, path: string): void {
  if (found.format !== 1)
    throw new Failure('version-unknown', `${path} has format ${String(found.format)}`, { path })
}

function damaged(path: string): Failure {
  return new Failure('history-corrupt', `${path} lacks a field`, { path })
}
