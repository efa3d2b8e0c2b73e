import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { present } from '@holdfast/base/assert'
import { listProcesses, readProcess } from './process-stat.ts'
import { MARK_VARIABLE, ProcessTree } from './process-tree.ts'

let marks = 0

/** Runs a shell script with a mark; kills every process of the tree in the end. */
async function withTree(
  script: string,
  use: (tree: ProcessTree, child: ChildProcess) => Promise<void>,
): Promise<void> {
  const mark = `test-${process.pid}-${++marks}`
  const child = spawn('sh', ['-c', script], {
    env: { ...process.env, [MARK_VARIABLE]: mark },
    stdio: 'ignore',
  })
  const pid = present(child.pid, 'pid')
  const tree = new ProcessTree({ pid, startTicks: present(readProcess(pid), 'child').startTicks }, mark)
  try {
    await use(tree, child)
  } finally {
    for (const member of tree.members()) process.kill(member.pid, 'SIGKILL')
  }
}

async function untilMembers(tree: ProcessTree, count: number): Promise<void> {
  const deadline = performance.now() + 5000
  while (tree.members().length !== count) {
    assert.ok(performance.now() < deadline, `${tree.members().length} members, not ${count}`)
    await delay(5)
  }
}

test('children and their children belong', () =>
  withTree('(sleep 60 & sleep 60; true) & sleep 60; true', async (tree) => {
    await untilMembers(tree, 5)
    assert.ok(tree.members().every(({ pid }) => pid !== process.pid))
  }))

test('a daemon that left the tree before anybody looked belongs by its mark', () =>
  withTree('(setsid sleep 60 &) ; exit 0', async (tree, child) => {
    await once(child, 'exit')
    await untilMembers(tree, 1)
  }))

test('a process that has cleared its environment belongs by its parents, and still does when these have ended', () =>
  withTree('env -i sleep 60 & sleep 0.2', async (tree, child) => {
    await untilMembers(tree, 3)
    await once(child, 'exit')
    await untilMembers(tree, 1)
  }))

test('a process that somebody stopped belongs and does not run', () =>
  withTree('sleep 60 & kill -STOP $!; wait', async (tree) => {
    await untilMembers(tree, 2)
    const deadline = performance.now() + 5000
    while (tree.running().length !== 1) {
      assert.ok(performance.now() < deadline)
      await delay(5)
    }
  }))

test('others do not belong, and the dead are forgotten', () =>
  withTree('exit 0', async (tree, child) => {
    await once(child, 'exit')
    await untilMembers(tree, 0)
  }))

test('a process is read with its parent and its beginning, whatever its name', async () => {
  const own = present(readProcess(process.pid), 'own')
  assert.equal(own.parent, process.ppid)
  assert.ok(own.startTicks > 0)
  assert.ok(listProcesses().processes.some(({ pid }) => pid === process.pid))
  assert.equal(readProcess(2 ** 30), undefined)
  const child = spawn('sh', ['-c', "printf 'a) R 1 (b' > /proc/$$/comm; echo; read line"])
  try {
    await once(child.stdout, 'data')
    assert.equal(readProcess(present(child.pid, 'pid'))?.parent, process.pid)
  } finally {
    child.kill('SIGKILL')
  }
})
