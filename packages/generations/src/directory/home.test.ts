import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import { type DirectoryConfig, Home, type OrgConfig } from './home.ts'
import { readJsonFile, replaceFile } from './json-file.ts'

const ORG: OrgConfig = { format: 1, org: 'org_a', store: '/store', keyFile: null }
const DIRECTORY: DirectoryConfig = {
  format: 1,
  workspace: 'ws_a',
  org: 'org_a',
  path: '/files',
  volume: 'live',
}

const fails = (code: FailureCode) => (error: unknown) => isFailure(error, code)

describe('a home', () => {
  let path: string
  let home: Home

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'holdfast-home-'))
    home = new Home(path)
  })

  afterEach(() => rmSync(path, { recursive: true, force: true }))

  test('a record that a loss of power emptied is none, and may be made again', () => {
    home.noteDirectory(DIRECTORY)
    assert.deepEqual(home.directory('ws_a'), DIRECTORY)
    writeFileSync(join(home.directoryPath('ws_a'), 'directory.json'), '')
    assert.equal(home.directory('ws_a'), undefined)
    assert.deepEqual(new Home(path).directories(), [])
    home.noteDirectory(DIRECTORY)
    assert.deepEqual(home.directories(), [DIRECTORY])
  })

  test('gives back what was saved, also to another process', () => {
    home.saveOrg(ORG)
    home.saveDirectory(DIRECTORY)
    home.saveDirectory({ ...DIRECTORY, workspace: 'ws_b', path: '/other', volume: 'btrfs' })
    const again = new Home(path)
    assert.deepEqual(again.org('org_a'), ORG)
    assert.deepEqual(again.orgs(), [ORG])
    assert.equal(again.directories().length, 2)
    assert.deepEqual(again.directoryAt('/files'), DIRECTORY)
    assert.throws(() => again.directoryAt('/elsewhere'), fails('not-found'))
  })

  test('is readable by its owner alone', () => {
    home.saveOrg(ORG)
    for (const place of ['orgs', 'dirs', 'orgs/org_a'])
      assert.equal(statSync(join(path, place)).mode & 0o077, 0)
  })

  test('names a config that is damaged, absent or newer', () => {
    home.saveOrg(ORG)
    const config = join(home.orgPath('org_a'), 'org.json')
    for (const [text, code] of [
      ['', 'history-corrupt'],
      ['{', 'history-corrupt'],
      ['null', 'history-corrupt'],
      ['7', 'history-corrupt'],
      ['{"format":1}', 'history-corrupt'],
      ['{"format":1,"store":"x","keyFile":5}', 'history-corrupt'],
      ['{"format":2}', 'version-unknown'],
    ] as const) {
      writeFileSync(config, text)
      assert.throws(() => home.org('org_a'), fails(code), text)
      assert.throws(() => home.orgs(), fails(code), text)
    }
    rmSync(config)
    assert.throws(() => home.org('org_a'), fails('history-corrupt'))
  })

  test('passes over what an init that was killed left behind', () => {
    home.saveOrg(ORG)
    mkdirSync(home.orgPath('org_b'))
    writeFileSync(join(home.orgPath('org_b'), 'org.json.new'), '{"for')
    mkdirSync(home.directoryPath('ws_b'))
    assert.deepEqual(home.orgs(), [ORG])
    assert.deepEqual(home.directories(), [])
  })
})

describe('a file that is replaced', () => {
  test('holds the new bytes, and what was left of an earlier attempt does not matter', () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-replace-'))
    try {
      const file = join(folder, 'made/on/the/way/file.json')
      replaceFile(file, '{"a":1}')
      writeFileSync(`${file}.new`, 'left over, and longer than what comes', { mode: 0o600 })
      replaceFile(file, Buffer.from('{"a":2}'))
      assert.deepEqual(readJsonFile(file), { a: 2 })
      assert.equal(readJsonFile(join(folder, 'absent')), undefined)
      assert.equal(statSync(file).mode & 0o777, 0o600)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
