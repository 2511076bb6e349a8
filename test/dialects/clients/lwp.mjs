// A user's script for the RestAPI of LXC Web Panel: every example of the manual, from top to bottom.
// node lwp.mjs http://host:5000 TOKEN
const [host, token] = process.argv.slice(2)

const say = (line) => process.stdout.write(`${line}\n`)

async function api(method, path, body, how = { headers: { 'private-token': token } }) {
  const payload = body === undefined ? {} : { body: JSON.stringify(body) }
  const answer = await fetch(host + path, { method, ...payload, ...how })
  return { status: answer.status, json: await answer.json() }
}

async function must(...request) {
  const { status, json } = await api(...request)
  say(`${request[0]} ${request[1]} ${status} ${JSON.stringify(json)}`)
  if (status !== 200) throw new Error(`${request[0]} ${request[1]} answered ${status}`)
  return json
}

await must('GET', `/api/v1/containers?private_token=${token}`, undefined, {})
await must('GET', '/api/v1/containers')
await must('PUT', '/api/v1/containers/', { name: 'base', template: 'busybox', store: 'dir', xargs: '--arch amd64' })
await must('PUT', '/api/v1/containers/', { name: 'test', clone: 'base' })
await must('POST', '/api/v1/containers/base', { action: 'start' })
const list = await must('GET', '/api/v1/containers/')
if (list.find(({ container }) => container === 'base').state !== 'running') throw new Error('base does not run')
const base = await must('GET', '/api/v1/containers/base')
if (base.state !== 'RUNNING' || !/^\d+$/.test(base.pid)) throw new Error('base has no pid')
for (const action of ['freeze', 'start', 'stop']) await must('POST', '/api/v1/containers/base', { action })
const wrong = await api('POST', '/api/v1/containers/base', { acton: 'start' })
const unknown = await api('POST', '/api/v1/containers/nobody', { action: 'start' })
if (wrong.status !== 400 || unknown.status !== 409)
  throw new Error(`Expected 400 and 409: ${wrong.status} ${unknown.status}`)
await must('DELETE', '/api/v1/containers/test')
await must('DELETE', '/api/v1/containers/base')
await must('POST', '/api/v1/tokens', { token: 'd41d8cd98f00b204e9800998ecf8427e', description: 'of the manual' })
await must('GET', '/api/v1/containers?private_token=d41d8cd98f00b204e9800998ecf8427e', undefined, {})
await must('DELETE', '/api/v1/tokens/d41d8cd98f00b204e9800998ecf8427e')
const gone = await api('GET', '/api/v1/containers?private_token=d41d8cd98f00b204e9800998ecf8427e', undefined, {})
if (gone.status !== 401) throw new Error(`A revoked token still answers ${gone.status}`)
say('all of the manual')
