import { execSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync, readdirSync, appendFileSync, symlinkSync, linkSync } from 'node:fs'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { Committer } from '@holdfast/generations/commit/committer'
import { MemoryGenerationIndex } from '@holdfast/generations/index/memory-generation-index'
import { openObjectStore } from '@holdfast/generations/store/open-object-store'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import { loadChunkIndex } from '@holdfast/generations/read/load-chunk-index'
import { restoreTree } from '@holdfast/generations/restore/restore-tree'
import { RestoreThreads } from '@holdfast/generations/restore/restore-threads'
import { chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import { randomFillSync } from 'node:crypto'
const N = Number(process.argv[2] ?? 2000)
const base = '/tmp/t/w'
rmSync(base, { recursive: true, force: true }); mkdirSync(base + '/src', { recursive: true })
const src = base + '/src'
let seed = 1; const rnd = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff)
const words = Array.from({ length: 500 }, () => rnd().toString(36))
for (let i = 0; i < N; i++) {
  const d = `${src}/d${Math.floor(i / 1000)}/e${Math.floor(i / 100) % 10}`
  if (i % 100 === 0) mkdirSync(d, { recursive: true })
  let b: Buffer
  if (i % 2) b = Buffer.from(Array.from({ length: 700 }, () => words[rnd() % 500]).join(' ')).subarray(0, 4090)
  else { b = randomFillSync(Buffer.alloc(4090)) }
  writeFileSync(`${d}/f${i}.${i % 2 ? 'txt' : 'bin'}`, b)
}
symlinkSync('d0', src + '/link'); linkSync(src + '/d0/e0/f0.bin', src + '/hard'); execSync(`truncate -s 8T ${src}/sparse; printf x | dd of=${src}/sparse bs=1 seek=5000000 conv=notrunc 2>/dev/null; mkfifo ${src}/fifo; sqlite3 ${src}/a.db 'pragma journal_mode=wal; create table t(x); insert into t values(randomblob(100000))'`)
const index = new MemoryGenerationIndex()
const store = await openObjectStore(base + '/store', { randomness: systemRandomness, clock: systemClock })
const holdfs = await Holdfs.start()
const pool = new StagePool(2)
const deps = { store, index, clock: systemClock, randomness: systemRandomness, holdfs, pool, sealKey: null }
await index.createWorkspace({ id: 'ws1', org: 'local' })
const lease = await index.acquire('ws1')
const committer = await Committer.open(deps, lease)
async function commit(label: string) {
  const t = performance.now(); const c0 = process.cpuUsage()
  const r = await committer.commit({ path: src, changes: { kind: 'unknown' }, consistency: 'cut' }, { cause: 'periodic', message: '' })
  const c = process.cpuUsage(c0)
  console.log(label, r.kind, (performance.now() - t).toFixed(1), 'ms cpu', ((c.user + c.system) / 1e3).toFixed(0), r.kind === 'committed' ? [r.generation.newBytes, r.generation.newObjects, r.generation.files, r.generation.notices.length] : '')
  return r
}
await commit('first'); await commit('nothing'); await commit('nothing'); await commit('nothing')
for (let i = 0; i < 10; i++) appendFileSync(`${src}/d0/e${i}/f${i * 100 + 1}.txt`, 'more')
let last = await commit('ten'); await commit('nothing')
execSync(`sqlite3 ${src}/a.db 'insert into t values(randomblob(1000))'`); await commit('db')
execSync(`rm -rf ${src}/d0/e3; mv ${src}/d0/e4 ${src}/moved`); const l = await commit('rm+mv')
if (l.kind !== 'committed') throw 1
const coding = { seal: null }
const chunks = new ChunkReader({ store, coding, index: await loadChunkIndex({ store, coding }, await index.chunkIndex('ws1')) })
mkdirSync(base + '/out')
const t = performance.now()
const out = await restoreTree({ store, coding, chunks, holdfs, threads: new RestoreThreads(2, null), setOwners: true }, { root: chunkIdFromHex(l.generation.root), path: base + '/out' })
console.log('restore', (performance.now() - t).toFixed(0), out)
execSync(`rm ${src}/fifo; sqlite3 ${src}/a.db 'pragma wal_checkpoint(truncate)'; rm -f ${src}/a.db-*`)
console.log(execSync(`rsync -anciHAX --delete ${src}/ ${base}/out/ 2>&1 --exclude sparse || true; sqlite3 ${base}/out/a.db 'pragma integrity_check; select count(*) from t'; stat -c '%s %b %y' ${src}/sparse ${base}/out/sparse; cmp -n 6000000 ${src}/sparse ${base}/out/sparse`).toString())
await pool[Symbol.asyncDispose](); await holdfs[Symbol.asyncDispose]()
