import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'

/** Runs in a sandbox and on the host alike, and tells the seconds that it took: it imports only what Node has. */

const STORM_FILES_PER_PACKAGE = 25

/** Transactions of one row, each synced before it returns. */
function commitRows(folder: string, count: number): void {
  const database = new DatabaseSync(join(folder, 'rows.db'))
  database.exec('pragma journal_mode = wal; pragma synchronous = full; create table row (body text)')
  const insert = database.prepare('insert into row values (?)')
  for (let turn = 0; turn < count; turn++) insert.run(`row ${turn}`.padEnd(200))
  database.close()
}

/** Commits of one file, every object and reference synced. */
function commitFiles(folder: string, count: number): void {
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'core.fsync=all', '-c', 'user.name=b', '-c', 'user.email=b@b', ...words], {
      cwd: folder,
      stdio: 'ignore',
    })
  git('init', '--quiet')
  for (let turn = 0; turn < count; turn++) {
    writeFileSync(join(folder, 'file'), `turn ${turn}`)
    git('add', 'file')
    git('commit', '--quiet', '--message', `turn ${turn}`)
  }
}

/** What a package manager does: many small files below a temporary name, then renamed into place, and the old gone. */
function storm(folder: string, count: number): void {
  for (let made = 0; made < count; made += STORM_FILES_PER_PACKAGE) {
    const temporary = join(folder, `.package-${made}`)
    mkdirSync(join(temporary, 'lib'), { recursive: true })
    for (let file = 0; file < STORM_FILES_PER_PACKAGE; file++)
      writeFileSync(join(temporary, 'lib', `${file}.js`), `// ${made} ${file}\n`.repeat(100))
    renameSync(temporary, join(folder, `package-${made}`))
  }
  for (let made = 0; made < count; made += 2 * STORM_FILES_PER_PACKAGE)
    rmSync(join(folder, `package-${made}`), { recursive: true })
}

const WORKLOADS = { sqlite: commitRows, git: commitFiles, storm } as const

function isWorkload(name: string): name is keyof typeof WORKLOADS {
  return name in WORKLOADS
}

if (import.meta.main) {
  const [name = '', count = '0', folder = ''] = process.argv.slice(2)
  if (!isWorkload(name)) throw new Error(`no workload ${name}`)
  mkdirSync(folder)
  const beganAt = performance.now()
  WORKLOADS[name](folder, Number(count))
  process.stdout.write(`${(performance.now() - beganAt) / 1000}`)
  rmSync(folder, { recursive: true })
}
