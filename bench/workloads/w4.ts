import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededNoise, seededText } from './seeded-bytes.ts'

/** W4: a database in WAL mode that takes 1,000 transactions a second, each one row of about 120 bytes. */
const SCHEMA = 'create table if not exists event (id integer primary key, kind text, body text)'
const INSERT = 'insert into event (kind, body) values (?, ?)'
const TURN_MS = 1
const SHM_HEADER_BYTES = 48
const LARGE_ROW_BYTES = 3700
const LARGE_ROWS_PER_TRANSACTION = 10_000

/** A finished transaction: when it returned, and where the WAL ended then. */
export interface Transaction {
  readonly atNs: bigint
  readonly salt1: number
  /** Frames in the WAL. */
  readonly frame: number
}

const TRANSACTION_BYTES = 16

export function openEventDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  database.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 5000')
  database.exec(SCHEMA)
  return database
}

/** Writes transactions at a steady rate for a while, then a log of them into `logPath`. */
async function writeTransactions(request: {
  readonly path: string
  readonly logPath: string
  readonly perSecond: number
  readonly seconds: number
}): Promise<void> {
  const database = openEventDatabase(request.path)
  const insert = database.prepare(INSERT)
  const count = request.perSecond * request.seconds
  const log = Buffer.alloc(count * TRANSACTION_BYTES)
  const shm = openSync(`${request.path}-shm`, 'r')
  const header = Buffer.alloc(SHM_HEADER_BYTES)
  const start = process.hrtime.bigint()
  for (let index = 0; index < count; ) {
    const due = Number((process.hrtime.bigint() - start) / 1_000_000n) * (request.perSecond / 1000)
    for (; index < Math.min(count, due); index++) {
      insert.run(`kind${index % 10}`, `transaction ${index} ${'payload '.repeat(10)}`)
      readSync(shm, header, 0, SHM_HEADER_BYTES, 0)
      const at = index * TRANSACTION_BYTES
      log.writeBigUInt64LE(process.hrtime.bigint(), at)
      // The index file keeps the salts as the bytes of the WAL header, and the frame count in the machine's order.
      log.writeUInt32LE(header.readUInt32BE(32), at + 8)
      log.writeUInt32LE(header.readUInt32LE(16), at + 12)
    }
    await sleep(TURN_MS)
  }
  closeSync(shm)
  writeFileSync(request.logPath, log)
  database.close()
}

export function readTransactions(log: Buffer): Transaction[] {
  return Array.from({ length: log.length / TRANSACTION_BYTES }, (_, index) => {
    const at = index * TRANSACTION_BYTES
    return {
      atNs: log.readBigUInt64LE(at),
      salt1: log.readUInt32LE(at + 8),
      frame: log.readUInt32LE(at + 12),
    }
  })
}

/** A database of about `bytes`, half compressible, with an empty WAL. */
export function makeLargeDatabase(path: string, bytes: number): void {
  const database = openEventDatabase(path)
  const noise = seededNoise(4)
  const text = seededText(4)
  const insert = database.prepare('insert into event (kind, body) values (?, ?)')
  const rows = Math.floor(bytes / (LARGE_ROW_BYTES + 100))
  for (let row = 0; row < rows; row++) {
    if (row % LARGE_ROWS_PER_TRANSACTION === 0) database.exec(row === 0 ? 'begin' : 'commit; begin')
    insert.run('large', row % 2 === 0 ? noise(LARGE_ROW_BYTES) : text(LARGE_ROW_BYTES))
  }
  database.exec('commit; pragma wal_checkpoint(truncate)')
  database.close()
}

if (import.meta.main) {
  const [path, logPath, perSecond, seconds] = process.argv.slice(2)
  if (path === undefined || logPath === undefined)
    throw new Error('usage: w4.ts DATABASE LOG PER-SECOND SECONDS')
  await writeTransactions({ path, logPath, perSecond: Number(perSecond), seconds: Number(seconds) })
}
