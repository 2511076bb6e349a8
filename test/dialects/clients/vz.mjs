// A client of the API for OpenVZ, written from its manual only. Usage: node vz.mjs URL TOKEN. Prints a line per step.
const [base, token] = process.argv.slice(2)

async function ask(method, path, body) {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) })
  return { code: answer.status, location: answer.headers.get('location'), ...(await answer.json()) }
}

async function background(method, path, body) {
  const answer = await ask(method, path, body)
  if (answer.code !== 202 || answer.type !== 'async' || answer.status !== 'ok' || answer.status_code !== 100)
    throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
  if (answer.location !== answer.operation) throw new Error('Location is not the operation')
  for (;;) {
    const { metadata } = await ask('GET', answer.operation)
    if (metadata.status_code === 200) return answer.resources.containers
    if (metadata.status_code >= 400) throw new Error(`${method} ${path}: ${JSON.stringify(metadata)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function sync(method, path) {
  const answer = await ask(method, path)
  if (answer.code !== 200 || answer.type !== 'sync' || answer.status !== 'success' || answer.status_code !== 200)
    throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
  return answer.metadata
}

const say = (...words) => console.log(words.join(' '))

say('list', JSON.stringify(await sync('GET', '/1.0/vz')))
const source = { type: 'image', properties: { os: 'busybox', release: 'latest', architecture: process.argv[4] } }
const config = { 'limits.cpus': '1' }
say('create', await background('POST', '/1.0/vz/101', { hostname: 'my-new-container', config, source }))
say('list', JSON.stringify(await sync('GET', '/1.0/vz')))
say('start', await background('PUT', '/1.0/vz/101/state', { action: 'start' }))
const shown = await sync('GET', '/1.0/vz/101')
say('show', shown.hostname, shown.config['limits.cpus'], shown.status.status, shown.status.status_code)
say('machine', Object.keys(shown.status.machine[0]).join(','))
say('update', await background('PUT', '/1.0/vz/101', { ...shown, config: { 'limits.cpus': '2' } }))
say('state', JSON.stringify(await sync('GET', '/1.0/vz/101/state')))
say('stop', await background('PUT', '/1.0/vz/101/state', { action: 'stop', timeout: 30, force: true }))
say('delete', await background('DELETE', '/1.0/vz/101', {}))
const gone = await ask('GET', '/1.0/vz/101')
say('gone', gone.code, gone.type, gone.error, gone.error_code)
