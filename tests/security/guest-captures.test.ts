import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { HostileGround, told } from './hostile-guest.fixture.ts'

const LIMITS = { timeout: 60_000 }
const CAPTURE_MS_MAX = 30_000

/** Makes what is hard to keep, in Python since names are bytes. */
const MONSTERS = `
import os, socket
os.mkdir('names')
for name in [b'\\xff\\xfe', b'new\\nline', b'-rf', b'\\x1b[2J', b'a' * 255, b'\\xe2\\x80\\xae', b' ', b'*', b'back\\\\slash']:
    open(b'names/' + name, 'wb').write(name)
sparse = os.open('sparse', os.O_RDWR | os.O_CREAT)
for size in (1 << 62, 1 << 50, 1 << 40, 8 << 30):
    try: os.ftruncate(sparse, size); break
    except OSError: pass
os.pwrite(sparse, b'end', os.fstat(sparse).st_size - 3)
os.mkfifo('fifo')
socket.socket(socket.AF_UNIX).bind('socket')
os.symlink('x' * 4000, 'long'); os.symlink('loop', 'loop')
os.utime('names', (-5000000000, -5000000000))
os.chmod('names/ ', 0)
`

/** What is kept of a tree: each name as hex, its kind, size and bytes. */
const DIGEST = `
import os, hashlib
total = hashlib.sha256()
for base, folders, files in os.walk(b'.'):
    folders.sort()
    for name in sorted(folders + files):
        path = os.path.join(base, name); stat = os.lstat(path)
        if stat.st_mode & 0o170000 in (0o010000, 0o140000): continue
        total.update(path + str((stat.st_mode, 0 if name in folders else stat.st_size)).encode())
        if stat.st_mode & 0o170000 == 0o100000 and stat.st_size < 1000 and stat.st_mode & 0o400:
            total.update(open(path, 'rb').read())
print(total.hexdigest())
`

test(
  'names of any bytes, huge holes and odd kinds are captured in bounded time, and come back',
  LIMITS,
  async () => {
    await using ground = await HostileGround.open()
    const { agent, world } = ground
    const made = await agent.shell('python3 -c "$MONSTERS"', { environment: { MONSTERS } })
    assert.equal(made.state.exitCode, 0, made.text)
    const digest = () => agent.shell('python3 -c "$DIGEST"', { environment: { DIGEST } })
    const before = (await digest()).text
    assert.match(before, /^[0-9a-f]{64}\n$/)
    const { workspace } = world
    const list = { workspace, path: '.', depth: 3, limit: 100 }
    assert.ok((await agent.files.call('listFiles', list)).files.length > 10)
    const begunMs = performance.now()
    assert.equal((await agent.close()).kind, 'saved')
    assert.ok(performance.now() - begunMs < CAPTURE_MS_MAX)
    const other = await world.agent({ name: 'host-b' })
    await other.open()
    const { text } = await other.shell('python3 -c "$DIGEST"', { environment: { DIGEST } })
    assert.equal(text, before)
  },
)

const DEEP = `
import os
for depth in range(2048):
    os.mkdir('d'); os.chdir('d')
open('bottom', 'w').write('reached')
`

test(
  '2,048 nested directories are captured or refused by name, and hold up neither host nor guest',
  LIMITS,
  async () => {
    await using ground = await HostileGround.open()
    const { agent } = ground
    await agent.shell('python3 -c "$DEEP"', { environment: { DEEP } })
    const begunMs = performance.now()
    const synced = await told(agent.sync())
    assert.ok(performance.now() - begunMs < CAPTURE_MS_MAX)
    assert.match(synced, /"generation"|Failure.*(deep|long|directories)/, synced)
    assert.equal((await agent.shell('echo alive')).text, 'alive\n')
  },
)

const REWRITE = `
import os, sqlite3, random
turn = 0
while True:
    turn += 1
    mode = turn % 4
    if mode == 0:
        db = sqlite3.connect('a.db'); db.execute('pragma journal_mode=wal')
        db.execute('create table if not exists t (x)'); db.execute('insert into t values (1)'); db.commit(); db.close()
    elif mode == 1: open('a.db', 'r+b').write(random.randbytes(5000))
    elif mode == 2: open('a.db-wal', 'wb').write(b'\\x37\\x7f\\x06\\x82' + random.randbytes(4000))
    else:
        for name in ('a.db', 'a.db-wal', 'a.db-shm', 'a.db-journal'):
            try: os.unlink(name)
            except OSError: pass
        open('a.db', 'wb').write(b'SQLite format 3\\0' + random.randbytes(100))
        os.truncate('a.db', random.randrange(200))
`

test(
  'a database that its guest rewrites, cuts and forges while it is captured harms no capture after',
  LIMITS,
  async () => {
    await using ground = await HostileGround.open()
    const { agent } = ground
    const bystander = await ground.bystander()
    const { exec } = await agent.start(['sh', '-c', 'while :; do python3 -c "$0"; done', REWRITE])
    for (const untilMs = performance.now() + 6000; performance.now() < untilMs; ) {
      const begunMs = performance.now()
      await told(agent.sync())
      assert.ok(performance.now() - begunMs < CAPTURE_MS_MAX)
      assert.ok((await bystander.answerMs()) < 5000)
      await delay(50)
    }
    await agent.host.call('deleteExec', { workspace: ground.world.workspace, exec: exec.id, graceMs: 0 })
    await agent.shell('rm -f a.db*; echo after > file')
    assert.match(await told(agent.sync()), /"generation"/)
  },
)
