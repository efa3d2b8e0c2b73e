import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HostileGround, residentBytes } from './hostile-guest.fixture.ts'

const LIMITS = { timeout: 60_000 }
const FLOOD = `
import os, random, socket, threading
def flood():
    while True:
        try:
            guest = socket.socket(socket.AF_UNIX); guest.settimeout(1); guest.connect('/run/holdfast/guest.sock')
            guest.send(random.choice([b'sync\\n', b'status\\n', random.randbytes(60000), b'', b'sync' * 9999, b'\\0\\n']))
            if random.random() < .5: guest.recv(100)
            if random.random() < .5: guest.close()
        except OSError: pass
for _ in range(16): threading.Thread(target=flood, daemon=True).start()
threading.Event().wait()
`

test('a guest does not reach the socket by which its host commands it', LIMITS, async () => {
  await using ground = await HostileGround.open()
  const { text } = await ground.agent.shell(`
    ls /run/holdinit; cat /run/holdinit/nonce; ls /proc/1/root /proc/1/fd /proc/1/cwd; mv /run/holdinit /run/elsewhere
    rm -f /run/holdfast/guest.sock; ln -sf /tmp/own /run/holdfast/guest.sock; mkdir /run/holdfast/x
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("/run/holdinit/control.sock")'
    for signal in KILL STOP TERM HUP USR1; do kill -$signal 1; done
    grep -l holdinit /proc/net/unix && python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("\\0holdinit")'
    hold status > /dev/null && echo served`)
  const lines = text.split('\n').filter((line) => line !== '')
  assert.equal(lines.at(-1), 'served')
  const allowed =
    /denied|not permitted|Read-only|No such file|PermissionError|refused|Traceback|File "|served|proc.net.unix|socket\./
  for (const line of lines) assert.match(line, allowed)
})

test('a flood of calls on the guest’s own socket delays neither commands nor captures', LIMITS, async () => {
  await using ground = await HostileGround.openApart()
  const { agent, agentPid } = ground
  const before = residentBytes(agentPid)
  for (let count = 0; count < 2; count++) await agent.start(['python3', '-c', FLOOD])
  for (let round = 0; round < 20; round++) {
    const begunMs = performance.now()
    assert.equal((await agent.shell(`echo ${round} > file; cat file`)).text, `${round}\n`)
    if (round % 5 === 0) await agent.sync()
    assert.ok(performance.now() - begunMs < 8000)
  }
  assert.ok(residentBytes(agentPid) - before < 200 << 20)
})
