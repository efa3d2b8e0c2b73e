import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Browser, chromium, type Page } from 'playwright-core'
import { Installation } from '../control.fixture.ts'

const BROWSER = '/usr/bin/chromium'
const WAIT_MS_MAX = 20_000

test('the admin page comes without a key, runs nothing of others, and is in nobody’s frame', async () => {
  await using installation = await Installation.start({}, 0)
  for (const [path, type, text] of [
    ['/admin', 'text/html; charset=utf-8', '<title>Holdfast'],
    ['/admin/', 'text/html; charset=utf-8', '<title>Holdfast'],
    ['/admin/admin.css', 'text/css; charset=utf-8', '--ink'],
    ['/admin/admin.js', 'text/javascript; charset=utf-8', 'sessionStorage'],
    ['/admin/icon.svg', 'image/svg+xml', '<svg'],
  ] as const) {
    const { status, headers, body } = await installation.ask(`GET ${path}`, { key: null })
    assert.equal(status, 200, path)
    assert.equal(headers.get('content-type'), type)
    assert.match(
      headers.get('content-security-policy') ?? '',
      /^default-src 'self';.* frame-ancestors 'none'/,
    )
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.ok(body.includes(text), path)
  }
  assert.equal((await installation.ask('GET /admin/admin.html', { key: null })).status, 404)
  assert.equal((await installation.ask('POST /admin', { body: {} })).status, 404)
})

test('the admin page is misdirected under a name that is not configured', async () => {
  await using installation = await Installation.start({}, 0)
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(`${installation.url}/admin`, { headers: { host: 'evil.example' } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
  assert.equal(status, 421)
})

test('a browser shows what runs, as text, and says so when the server is gone or the key is wrong', async () => {
  await using installation = await Installation.start()
  await installation.workspace({ name: 'quarterly-report' })
  await using opened = await openBrowser()
  const page = await opened.browser.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(`${installation.url}/admin`)
  await signIn(page, 'hf_wrong')
  await badgeSays(page, /key/)
  assert.equal(await page.locator('main').isVisible(), false)

  await signIn(page, installation.adminKey)
  await badgeSays(page, /^live$/)
  const row = page.locator('#workspaces tr', { hasText: 'quarterly-report' })
  assert.match((await row.textContent()) ?? '', /idle/)
  assert.match((await page.locator('#hosts').textContent()) ?? '', /ready/)
  assert.equal(await page.locator('#figures dd').first().textContent(), '1 of 1')

  await installation.end()
  await badgeSays(page, /^no answer, shown as of/)
  assert.match((await page.locator('main').getAttribute('class')) ?? '', /stale/)
  assert.deepEqual(complaints, [])
})

async function openBrowser(): Promise<AsyncDisposable & { readonly browser: Browser }> {
  const browser = await chromium.launch({
    executablePath: BROWSER,
    // Root has no sandbox of its own in Chromium; the page is ours.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    timeout: WAIT_MS_MAX,
  })
  return { browser, [Symbol.asyncDispose]: () => browser.close() }
}

async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key)
  await page.getByRole('button', { name: 'Show' }).click()
}

async function badgeSays(page: Page, words: RegExp): Promise<void> {
  const badge = page.locator('#connection')
  for (let waitedMs = 0; waitedMs < WAIT_MS_MAX; waitedMs += 100) {
    if (words.test((await badge.textContent()) ?? '')) return
    await delay(100)
  }
  assert.match((await badge.textContent()) ?? '', words)
}
