import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HostileGround, SECRET, told } from './hostile-guest.fixture.ts'

const LIMITS = { timeout: 60_000 }
const BLOCK_BYTES = 512

interface Member {
  readonly name: string
  /** A digit of ustar: 0 file, 1 hard link, 2 symlink, 3 character device, 5 directory, 6 FIFO; x: PAX fields. */
  readonly type: string
  readonly link?: string
  readonly body?: string
  /** What the header says of the size, whatever the body is. */
  readonly claimedBytes?: number
}

function header({ name, type, link = '', body = '', claimedBytes }: Member): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES)
  block.write(name, 0, 100)
  block.write('0000644\0', 100)
  block.write('0001750\0', 108)
  block.write('0001750\0', 116)
  block.write(`${(claimedBytes ?? body.length).toString(8).padStart(11, '0')}\0`, 124)
  block.write('00000000000\0', 136)
  block.write('        ', 148)
  block.write(type, 156)
  block.write(link, 157, 100)
  block.write('ustar\x0000', 257)
  block.write('0000001\0', 329)
  block.write('0000003\0', 337)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

function tar(...members: readonly Member[]): Buffer {
  const blocks = members.flatMap((member) => {
    const body = Buffer.from(member.body ?? '')
    return [header(member), body, Buffer.alloc((BLOCK_BYTES - (body.length % BLOCK_BYTES)) % BLOCK_BYTES)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)])
}

const file = (name: string): Member => ({ name, type: '0', body: 'planted' })
const LINKS = ['/tmp', '..', '../..', '/proc/1/root/tmp', '/dev/shm']

/** What an archive must not do, and the archive that would. */
const HOSTILE: readonly (readonly [what: string, archive: Buffer])[] = [
  ['climb out', tar(file('../escaped'), file('a/../../escaped'), file('./../../tmp/escaped'))],
  ['begin at the root', tar(file('/tmp/escaped'), file('//workspace/escaped'))],
  ...LINKS.map((target): readonly [string, Buffer] => [
    `write through its own link to ${target}`,
    tar({ name: 'l', type: '2', link: target }, file('l/escaped')),
  ]),
  [
    'write through a link to a link',
    tar(
      { name: 'a', type: '2', link: '..' },
      { name: 'b', type: '2', link: 'a/..' },
      file('b/escaped'),
      file('a/escaped'),
    ),
  ],
  ['link to what lies outside', tar({ name: 'hard', type: '1', link: '/etc/passwd' }, file('hard'))],
  [
    'link upwards',
    tar({ name: 'hard', type: '1', link: '../outside-of-it' }, { name: 'hard', type: '0', body: '' }),
  ],
  ['make a device', tar({ name: 'device', type: '3' })],
  ['claim more than it has', tar({ ...file('short'), claimedBytes: 1 << 30 })],
  ['claim less than it has', tar({ ...file('long'), claimedBytes: 1 })],
  ['rename by PAX', tar({ name: 'x', type: 'x', body: '22 path=../../escaped\n' }, file('harmless'))],
  ['be cut', tar(file('one'), file('two')).subarray(0, 700)],
]

test('no archive writes outside of the directory that it is put into', LIMITS, async () => {
  await using ground = await HostileGround.open()
  await ground.agent.shell(`mkdir -p up/into; echo ${SECRET} > up/outside-of-it`)
  for (const [what, archive] of HOSTILE) {
    const begunMs = performance.now()
    await told(ground.put('archive', 'up/into', archive))
    assert.ok(performance.now() - begunMs < 8000, what)
    const { text } = await ground.agent.shell(
      'ls -A . up /tmp /dev/shm; cat up/outside-of-it; find up/into -type b -o -type c; rm -rf up/into; mkdir up/into',
    )
    assert.equal(
      text,
      `.:\nup\n\n/dev/shm:\n\n/tmp:\n\nup:\ninto\noutside-of-it\n${SECRET}\n`,
      `an archive would ${what}`,
    )
  }
  ground.assertOutsideIsUntouched()
})

test(
  'an archive with a FIFO, a socket or a link to the host is told as it is, and ends',
  LIMITS,
  async () => {
    await using ground = await HostileGround.open()
    await ground.agent.shell(
      `mkdir d; mkfifo d/fifo; ln -s ${ground.outside}/secret d/link; ln -s /dev/zero d/zero`,
    )
    const archive = await ground.get('archive', 'd')
    assert.ok(archive.length < 100_000)
    assert.ok(!archive.includes(SECRET))
    await ground.put('archive', 'again', archive)
    const { text } = await ground.agent.shell('find again -printf "%y %P\\n" | sort')
    assert.equal(text, 'd \nl link\nl zero\np fifo\n')
  },
)
