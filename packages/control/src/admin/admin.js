const EVERY_MS = 2000
/** A server that takes longer gives no answer. */
const ANSWER_MS_MAX = 5000
const PAGE = 200

/** A column: its title, what it shows of a row, and how that is meant. */
const WORKSPACE_COLUMNS = [
  ['Name', (row) => row.name ?? row.id],
  [
    'Status',
    (row) => [row.status, row.status_reason].filter(Boolean).join(' · '),
    (row) => toneOf(row.status),
  ],
  ['Host', (row, { hosts }) => hosts.get(row.host_id)?.name ?? '–'],
  ['Isolation', (row) => row.isolation ?? '–'],
  ['Generation', (row) => row.sequence, () => 'number'],
  ['Last durable', (row, { now }) => ago(row.last_durable_at, now)],
  ['Lag', (row) => duration(row.sync_lag_ms), () => 'number'],
  ['Drill', (row) => row.last_drill?.outcome ?? '–', (row) => toneOf(row.last_drill?.outcome)],
]
const HOST_COLUMNS = [
  ['Name', (row) => row.name],
  ['Status', (row) => row.status, (row) => toneOf(row.status)],
  ['Runtimes', (row) => row.runtimes.map(({ kind, isolation }) => `${kind} (${isolation})`).join(', ')],
  ['Volume', (row) => row.volume],
  ['Workspaces', (row) => `${row.workspaces} of ${row.capacity.workspaces_max}`, () => 'number'],
  ['Memory', (row) => bytes(row.capacity.memory_bytes), () => 'number'],
  ['Free disk', (row) => bytes(row.capacity.disk_free_bytes), () => 'number'],
  ['Last seen', (row, { now }) => ago(row.last_seen_at, now)],
]
const DRILL_COLUMNS = [
  ['When', (row, { now }) => ago(row.at, now)],
  ['Workspace', (row, { workspaces }) => workspaces.get(row.workspace_id)?.name ?? row.workspace_id],
  ['Generation', (row) => row.generation.slice(0, 12)],
  ['Outcome', (row) => row.outcome, (row) => toneOf(row.outcome)],
  ['Took', (row) => duration(row.took_ms), () => 'number'],
]

const TONES = {
  idle: 'good',
  busy: 'good',
  ready: 'good',
  verified: 'good',
  provisioning: 'waiting',
  stopping: 'waiting',
  draining: 'waiting',
  failed: 'bad',
  lost: 'bad',
  damaged: 'bad',
}

function toneOf(word) {
  return TONES[word] ?? ''
}

function duration(ms) {
  if (ms === null || ms === undefined) return '–'
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  return `${Math.round(ms / 3_600_000)} h`
}

function ago(at, now) {
  return at === null || at === undefined ? '–' : `${duration(Math.max(0, now - at))} ago`
}

function bytes(count) {
  return count >= 1e9 ? `${(count / 1e9).toFixed(1)} GB` : `${Math.round(count / 1e6)} MB`
}

/** Everything is set as text: names come from people and guests. */
function cell(kind, text, tone) {
  const element = document.createElement(kind)
  element.textContent = String(text)
  if (tone) element.className = tone
  return element
}

function fill(table, columns, rows, context) {
  const head = document.createElement('tr')
  for (const [title, , tone] of columns)
    head.append(cell('th', title, tone?.({}) === 'number' ? 'number' : ''))
  const body = rows.map((row) => {
    const line = document.createElement('tr')
    for (const [, show, tone] of columns) line.append(cell('td', show(row, context), tone?.(row)))
    return line
  })
  if (body.length === 0) {
    const none = cell('td', 'none yet', 'empty')
    none.colSpan = columns.length
    const line = document.createElement('tr')
    line.append(none)
    body.push(line)
  }
  table.replaceChildren(head, ...body)
}

async function list(path, key) {
  const response = await fetch(path, {
    headers: { authorization: `Bearer ${key}` },
    cache: 'no-store',
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  })
  if (response.ok) return (await response.json()).items
  const { error } = await response.json().catch(() => ({ error: { message: response.statusText } }))
  throw new Error(error.message, { cause: response.status })
}

function byId(rows) {
  return new Map(rows.map((row) => [row.id, row]))
}

async function show(key) {
  const [workspaces, hosts, drills] = await Promise.all([
    list(`/v1/workspaces?limit=${PAGE}`, key),
    list('/v1/hosts', key),
    list('/v1/drills', key),
  ])
  const context = { now: Date.now(), hosts: byId(hosts), workspaces: byId(workspaces) }
  fill(document.querySelector('#workspaces'), WORKSPACE_COLUMNS, workspaces, context)
  fill(document.querySelector('#hosts'), HOST_COLUMNS, hosts, context)
  fill(document.querySelector('#drills'), DRILL_COLUMNS, drills, context)
  document.querySelector('#figures').replaceChildren(...figures(workspaces, hosts, drills))
}

/** What a person looks at first. */
function figures(workspaces, hosts, drills) {
  const count = (rows, ...words) =>
    rows.filter(({ status, outcome }) => words.includes(status ?? outcome)).length
  const failed = count(workspaces, 'failed')
  const lags = workspaces.map(({ sync_lag_ms }) => sync_lag_ms).filter((lag) => lag !== null)
  const shown = workspaces.length === PAGE ? `first ${PAGE}` : workspaces.length
  const [ready, verified] = [count(hosts, 'ready'), count(drills, 'verified')]
  return [
    figure('Running', `${count(workspaces, 'idle', 'busy')} of ${shown}`),
    figure('Failed', failed, failed > 0 ? 'bad' : ''),
    figure('Longest lag', duration(lags.length === 0 ? null : Math.max(...lags))),
    figure('Hosts ready', `${ready} of ${hosts.length}`, ready < hosts.length ? 'waiting' : ''),
    figure('Drills verified', `${verified} of ${drills.length}`, verified < drills.length ? 'bad' : ''),
  ]
}

function figure(title, text, tone) {
  const box = document.createElement('div')
  box.append(cell('dt', title), cell('dd', text, tone))
  return box
}

/** What is shown is never older than the badge says. */
function connection(tone, text) {
  document.querySelector('main').classList.toggle('stale', tone === 'bad')
  const badge = document.querySelector('#connection')
  badge.className = `badge ${tone}`
  badge.textContent = text
}

async function follow(key) {
  showSignedIn(true)
  let shownAt
  for (;;) {
    try {
      await show(key)
      shownAt = Date.now()
      connection('good', 'live')
    } catch (error) {
      if (error.cause === 401 || error.cause === 403) return refuse(error.message)
      const age = shownAt === undefined ? '' : `, shown as of ${duration(Date.now() - shownAt)} ago`
      connection('bad', `no answer${age}`)
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
}

function showSignedIn(isIn) {
  document.querySelector('#sign-in').hidden = isIn
  document.querySelector('#sign-out').hidden = !isIn
  document.querySelector('main').hidden = !isIn
}

function refuse(message) {
  sessionStorage.removeItem('key')
  showSignedIn(false)
  connection('bad', message)
}

document.querySelector('#sign-in').addEventListener('submit', (event) => {
  event.preventDefault()
  const key = document.querySelector('#key').value.trim()
  sessionStorage.setItem('key', key)
  void follow(key)
})
document.querySelector('#sign-out').addEventListener('click', () => {
  sessionStorage.removeItem('key')
  location.reload()
})
const kept = sessionStorage.getItem('key')
if (kept) void follow(kept)
