import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { createInterface } from 'node:readline'
import { errnoOf } from '@holdfast/base/errno'

/** Random numbers from a seed (mulberry32). */
export class Dice {
  #state: number
  constructor(seed: number) {
    this.#state = seed | 0
  }
  /** A whole number from 0 up to, not including, `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.below(Math.max(1, items.length))]
  }
  bytes(lengthBytes: number): Buffer {
    const bytes = Buffer.alloc(lengthBytes)
    const fill = this.below(4) === 0 ? 1 : 251
    for (let at = 0; at < lengthBytes; at++) bytes[at] = (at * 31 + (at >> 8) * 17 + this.#state) % fill
    for (let at = 0; at < lengthBytes; at += 509) bytes[at] = this.below(256)
    return bytes
  }
}

/** System calls that Node has no function for. Paths come as one character a byte. */
const SYSCALLS = `
import sys, json, os, mmap, fcntl, struct, ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
def opened(path, flags=os.O_RDWR): return os.open(path.encode('latin1'), flags)
def map_write(path, at, text):
    fd = opened(path)
    try:
        with mmap.mmap(fd, 0) as m: m[at:at + len(text)] = text.encode('latin1')
    finally: os.close(fd)
def clone_range(path, at, source, source_at, length):
    fd = opened(path); other = opened(source)
    try: fcntl.ioctl(fd, 0x4020940d, struct.pack('=qQQQ', other, source_at, length, at))
    finally: os.close(fd); os.close(other)
def allocate(path, mode, at, length):
    fd = opened(path)
    try:
        if libc.fallocate(fd, mode, at, length): raise OSError(ctypes.get_errno(), 'fallocate')
    finally: os.close(fd)
def set_xattr(path, name, value): os.setxattr(path.encode('latin1'), name, value.encode())
def remove_xattr(path, name): os.removexattr(path.encode('latin1'), name)
for line in sys.stdin:
    name, args = json.loads(line)
    try: globals()[name](*args); print('ok', flush=True)
    except (OSError, ValueError) as error: print(error, flush=True)
`

/** A process that makes those system calls, one at a time. */
export class Syscalls implements Disposable {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>

  constructor() {
    const child = spawn('python3', ['-c', SYSCALLS], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  /** Resolves to `ok` or to what went wrong. */
  async call(name: string, ...args: readonly (string | number)[]): Promise<string> {
    this.#child.stdin?.write(`${JSON.stringify([name, args])}\n`)
    const answer = await this.#answers.next()
    if (answer.done) throw new Error('the process for system calls has ended')
    return answer.value
  }

  [Symbol.dispose](): void {
    this.#child.kill()
  }
}

/** How often each kind of operation succeeded. */
export type OperationCounts = Map<string, number>

export interface WorkloadTools {
  readonly dice: Dice
  readonly syscalls: Syscalls
  readonly counts: OperationCounts
}

const FILE_BYTES_MAX = 200_000
const NAMES = ['a', 'b', 'c', 'src', 'naïve', '\xff\xfe', 'x'.repeat(200), 'o257-7-0', 'db.sqlite', '..c']
/** Failures that random operations run into; any other is a defect of the test. */
const EXPECTED = [
  'ENOENT',
  'EEXIST',
  'ENOTDIR',
  'EISDIR',
  'ENOTEMPTY',
  'EINVAL',
  'ENAMETOOLONG',
  'ELOOP',
  'EXDEV',
  'EPERM',
  'EACCES',
]

export function latin1Path(path: string): Buffer {
  return Buffer.from(path, 'latin1')
}

/** Random operations of a user on the tree below `top`. */
export class Workload {
  readonly #top: string
  readonly #dice: Dice
  readonly #syscalls: Syscalls
  readonly #counts: OperationCounts

  constructor(top: string, tools: WorkloadTools) {
    this.#top = top
    this.#dice = tools.dice
    this.#syscalls = tools.syscalls
    this.#counts = tools.counts
  }

  /** Directories with small files, so that most of the tree stays as it is. */
  populate(): void {
    for (const outer of ['lib', 'doc', 'bin', 'etc', 'usr', 'var']) {
      for (const inner of ['', '/x', '/y', '/x/z']) {
        fs.mkdirSync(`${this.#top}/${outer}${inner}`)
        for (const name of ['1', '2', '3']) {
          fs.writeFileSync(`${this.#top}/${outer}${inner}/${name}`, this.#content(9000))
        }
      }
    }
  }

  async run(operationCount: number): Promise<void> {
    for (let done = 0; done < operationCount; done++) {
      const name = this.#dice.pick(Object.keys(this.#operations)) ?? ''
      try {
        const outcome = await this.#operations[name]?.()
        if (outcome === undefined || outcome === 'ok')
          this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
      } catch (error) {
        if (!EXPECTED.includes(errnoOf(error) ?? '')) throw error
      }
    }
  }

  readonly #operations: Readonly<Record<string, () => unknown>> = {
    create: () => fs.writeFileSync(this.#fresh(), this.#content()),
    createMore: () => fs.writeFileSync(this.#fresh(), this.#content()),
    writeAt: () => this.#withFile((fd) => fs.writeSync(fd, this.#content(9000), 0, null, this.#offset())),
    append: () => fs.appendFileSync(this.#file(), this.#content(9000)),
    truncate: () => fs.truncateSync(this.#file(), this.#offset()),
    truncateAndRegrow: () => this.#truncateAndRegrow(),
    rewrite: () => fs.writeFileSync(this.#file(), this.#content()),
    saveOver: () => this.#saveOver(),
    reflink: () => fs.copyFileSync(this.#file(), this.#fresh(), fs.constants.COPYFILE_FICLONE_FORCE),
    cloneRange: () => this.#cloneRange(),
    punchHole: () => this.#allocate(1 | 2),
    zeroRange: () => this.#allocate(16),
    preallocate: () => this.#allocate(this.#dice.below(2)),
    mapWrite: () => this.#mapWrite(),
    mkdir: () => fs.mkdirSync(this.#fresh()),
    rename: () => fs.renameSync(this.#any(), this.#fresh()),
    renameOver: () => fs.renameSync(this.#file(), this.#file()),
    renameDirectory: () => fs.renameSync(this.#directory(), this.#fresh()),
    swapDirectories: () => this.#swapDirectories(),
    replaceDirectory: () => this.#replaceDirectory(),
    link: () => fs.linkSync(this.#file(), this.#fresh()),
    unlink: () => fs.unlinkSync(this.#file()),
    rmdir: () => fs.rmdirSync(this.#directory()),
    removeTree: () => this.#dice.below(9) === 0 && fs.rmSync(this.#directory(), { recursive: true }),
    symlink: () => fs.symlinkSync(`target-${this.#dice.below(9)}`, this.#fresh()),
    replaceSymlink: () => this.#replaceSymlink(),
    chmod: () => fs.chmodSync(this.#any(), this.#dice.pick([0o600, 0o644, 0o755, 0o700]) ?? 0),
    chown: () => fs.chownSync(this.#any(), this.#dice.below(3), this.#dice.below(3)),
    utimes: () => fs.utimesSync(this.#any(), this.#dice.below(1e9), this.#dice.below(1e9)),
    setXattr: () =>
      this.#syscalls.call('set_xattr', latin1(this.#any()), 'user.x', `${this.#dice.below(99)}`),
    removeXattr: () => this.#syscalls.call('remove_xattr', latin1(this.#any()), 'user.x'),
  }

  #withFile(use: (fd: number) => void): void {
    const fd = fs.openSync(this.#file(), 'r+')
    try {
      use(fd)
    } finally {
      fs.closeSync(fd)
    }
  }

  #truncateAndRegrow(): void {
    this.#withFile((fd) => {
      fs.ftruncateSync(fd, this.#offset())
      if (this.#dice.below(2) === 0) fs.fsyncSync(fd)
      if (this.#dice.below(2) === 0) fs.ftruncateSync(fd, this.#offset())
      else fs.writeSync(fd, this.#content(5000), 0, null, this.#offset())
    })
  }

  #saveOver(): void {
    const draft = this.#fresh()
    const target = this.#file()
    fs.writeFileSync(draft, this.#content(), { flag: 'wx' })
    fs.renameSync(draft, target)
  }

  async #cloneRange(): Promise<string> {
    const block = 4096
    const [at, from, length] = [this.#dice.below(20), this.#dice.below(20), 1 + this.#dice.below(8)]
    return await this.#syscalls.call(
      'clone_range',
      latin1(this.#file()),
      at * block,
      latin1(this.#file()),
      from * block,
      length * block,
    )
  }

  async #allocate(mode: number): Promise<string> {
    const length = 1 + this.#dice.below(30_000)
    return await this.#syscalls.call('allocate', latin1(this.#file()), mode, this.#offset(), length)
  }

  async #mapWrite(): Promise<string> {
    const file = this.#file()
    const sizeBytes = fs.statSync(file).size
    const text = latin1(this.#dice.bytes(Math.min(sizeBytes, 100)))
    return await this.#syscalls.call(
      'map_write',
      latin1(file),
      this.#dice.below(Math.max(1, sizeBytes - 100)),
      text,
    )
  }

  #swapDirectories(): void {
    const [one, two, aside] = [this.#directory(), this.#directory(), this.#fresh()]
    fs.renameSync(one, aside)
    try {
      fs.renameSync(two, one)
      fs.renameSync(aside, two)
    } catch (error) {
      if (!EXPECTED.includes(errnoOf(error) ?? '')) throw error
    }
  }

  /** A new directory takes the place of an old one and some of what that held. */
  #replaceDirectory(): void {
    const [directory, aside] = [this.#directory(), this.#fresh()]
    fs.renameSync(directory, aside)
    fs.mkdirSync(directory)
    for (const name of fs.readdirSync(aside, { encoding: 'buffer' })) {
      if (this.#dice.below(2) === 0) fs.renameSync(under(aside, name), under(directory, name))
    }
  }

  #replaceSymlink(): void {
    const link = this.#dice.pick(this.#paths('symlink'))
    if (link === undefined) return
    fs.unlinkSync(link)
    fs.symlinkSync(`target-${this.#dice.below(9)}`, link)
  }

  #content(bytesMax = FILE_BYTES_MAX): Buffer {
    return this.#dice.bytes(this.#dice.below(this.#dice.pick([50, 3000, 20_000, bytesMax]) ?? 1))
  }

  #offset(): number {
    const offset = this.#dice.below(this.#dice.pick([100, 5000, 40_000, FILE_BYTES_MAX]) ?? 1)
    return this.#dice.below(2) === 0 ? offset : offset - (offset % 4096)
  }

  #file(): Buffer {
    return this.#dice.pick(this.#paths('file')) ?? this.#fresh()
  }

  #directory(): Buffer {
    return this.#dice.pick(this.#paths('directory')) ?? this.#fresh()
  }

  #any(): Buffer {
    return this.#dice.pick(this.#paths('any')) ?? this.#fresh()
  }

  /** A path in an existing directory, at which something may exist already. */
  #fresh(): Buffer {
    const directory = this.#dice.pick([latin1Path(this.#top), ...this.#paths('directory')])
    const name = `${this.#dice.pick(NAMES)}${this.#dice.pick(['', '1', '2'])}`
    return under(directory ?? latin1Path(this.#top), latin1Path(name))
  }

  #paths(kind: 'file' | 'directory' | 'symlink' | 'any'): Buffer[] {
    const found: Buffer[] = []
    const open = [latin1Path(this.#top)]
    for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
      for (const entry of fs.readdirSync(directory, { encoding: 'buffer', withFileTypes: true })) {
        const path = under(directory, entry.name)
        if (entry.isDirectory()) open.push(path)
        const is = entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'symlink' : 'file'
        if (kind === is || (kind === 'any' && is !== 'symlink')) found.push(path)
      }
    }
    return found
  }
}

function latin1(path: Buffer): string {
  return path.toString('latin1')
}

function under(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, latin1Path('/'), name])
}
