// A client of HebergOS docker link, written from its manual alone: node hebergos.mjs BASE-URL CONTAINER REPOSITORY
import assert from 'node:assert/strict'
import { request } from 'node:http'

const [base, id, path] = process.argv.slice(2)

/** Parameters go into the query, whatever the method. */
function call(method, endpoint, params = {}) {
  const url = new URL(endpoint, base)
  for (const [name, value] of Object.entries(params))
    for (const one of [value].flat()) url.searchParams.append(name, one)
  return new Promise((resolve, reject) => {
    const sent = request(url, { method }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk) => (text += chunk))
      answer.on('end', () => resolve({ status: answer.statusCode, type: answer.headers['content-type'], text }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

async function json(method, endpoint, params) {
  const { status, type, text } = await call(method, endpoint, params)
  assert.equal(status, 200, text)
  assert.match(type, /^application\/json/)
  return JSON.parse(text)
}

async function plain(method, endpoint, params) {
  const { status, type, text } = await call(method, endpoint, params)
  assert.equal(status, 200, text)
  assert.match(type, /^text\/plain/)
  return text
}

const STATES = ['running', 'exited', 'paused', 'restarting', 'removing', 'dead']

// GET v1/container/
for (const params of [{}, { id }, { id: [id, id.slice(0, 12)] }, { running: 'true' }]) {
  const containers = await json('GET', '/v1/container/', params)
  assert.ok(Object.keys(containers).length > 0)
  for (const { name, state, exit_code, started_at } of Object.values(containers)) {
    assert.match(name, /^\/\w/)
    assert.ok(STATES.includes(state))
    assert.equal(typeof (state === 'exited' ? exit_code : started_at), 'number')
  }
}
console.log('containers')

// GET v1/container/stats
const stats = await json('GET', '/v1/container/stats', { id, since: Math.floor(Date.now() / 1000) - 60 })
assert.ok(Object.keys(stats).length > 0)
for (const [time, { memory, cpu, net }] of Object.entries(stats)) {
  assert.ok(Number.isInteger(Number(time)))
  for (const figure of [memory.used, memory.limit, cpu.usage_percent, net.up, net.down, net.delta_up, net.delta_down])
    assert.equal(typeof figure, 'number')
}
console.log('stats')

// POST v1/container/stop and start
for (const action of ['stop', 'start']) {
  const { status, text } = await call('POST', `/v1/container/${action}`, { id })
  assert.equal(status, 204)
  assert.equal(text, '')
}
console.log('stopped and started')

// GET v1/git
await plain('GET', '/v1/git', { id, path })
// GET v1/git/head
assert.match(await plain('GET', '/v1/git/head', { id, path }), /^commit [0-9a-f]{40}\n/)
// GET v1/git/branch
const branches = await json('GET', '/v1/git/branch', { id, path })
assert.ok(branches.includes('main') && branches.includes('remotes/origin/dev'))
const refused = await call('GET', '/v1/git/branch', { id, path: '/tmp' })
assert.equal(refused.status, 412)
assert.match(refused.text, /^fatal: not a git repository/)
// POST v1/git/branch
assert.match(await plain('POST', '/v1/git/branch', { id, path, branch: 'dev' }), /Switched to a new branch 'dev'/)
console.log('git')

console.log('done')
