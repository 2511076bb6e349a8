// A client of the host API as its user would write it: the rows of the manual's table from top to bottom.
// node hostapi.mjs http://HOST:8080 (or http://x:TOKEN@HOST:8080)
import { request } from 'node:http'

const base = new URL(process.argv[2] ?? 'http://127.0.0.1:8080')
const auth = base.password === '' ? undefined : `${base.username}:${base.password}`

/** As the original's client it names no content type, and takes exactly one status for success. */
function call(method, path, expected, body) {
  const payload = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const options = { method, host: base.hostname, port: base.port, path, auth }
    const sent = request(options, (answer) => {
      let text = ''
      answer.on('data', (chunk) => (text += chunk))
      answer.on('end', () => {
        if (answer.statusCode !== expected) return reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`))
        console.log(`${method} ${path} ${answer.statusCode}`)
        return resolve(text === '' ? undefined : JSON.parse(text))
      })
    })
    sent.on('error', reject)
    sent.end(payload)
  })
}

function check(holds, what) {
  if (!holds) throw new Error(`Not so: ${what}`)
}

const listed = await call('GET', '/containers', 200)
const { pk: ct } = await call('POST', '/containers', 201, { name: 'web', image: 'busybox', command: 'sleep 1000' })
const { pk: other } = await call('POST', '/containers', 201, { name: 'gone', image: 'busybox', command: 'sh' })
await call('DELETE', `/containers/${other}`, 204)
check((await call('GET', `/containers/${ct}`, 200)).status === 'stopped', 'a new container is stopped')
const { pk: clone } = await call('POST', `/containers/${ct}/clone`, 201, { name: 'web2' })
await call('POST', `/containers/${clone}/start`, 204, {})
check((await call('POST', `/containers/${clone}/exec`, 200, { command: 'echo hello' })) === 'hello\n', 'exec answers')
check(Array.isArray(await call('GET', `/containers/${clone}/logs`, 200)), 'logs are a list')
check(typeof (await call('GET', `/containers/${clone}/public_key`, 200)) === 'string', 'the key is a text')
await call('POST', `/containers/${clone}/restart`, 204, {})
await call('POST', `/containers/${clone}/suspend`, 204, {})
await call('POST', `/containers/${clone}/resume`, 204, {})
await call('POST', `/containers/${ct}/start`, 204, {})
await call('POST', `/containers/${ct}/stop`, 204, {})
await call('POST', `/containers/${clone}/suspend`, 204, {})
check((await call('GET', `/containers/${clone}`, 200)).status === 'suspended', 'a suspended container says so')
await call('POST', `/containers/${clone}/resume`, 204, {})

check((await call('GET', `/containers/${ct}/snapshots`, 200)).length === 0, 'there are no snapshots')
const { pk: sh } = await call('POST', `/containers/${ct}/snapshots`, 201, { name: 's1' })
const { pk: second } = await call('POST', `/containers/${ct}/snapshots`, 201, { name: 's2' })
await call('DELETE', `/containers/${ct}/snapshots/${second}`, 204)
check((await call('GET', `/containers/${ct}/snapshots/${sh}`, 200)).pk === sh, 'a snapshot is found')
await call('POST', `/containers/${ct}/snapshots/${sh}/restore`, 200)

const images = await call('GET', '/containers/images', 200)
const { pk: image } = await call('POST', '/containers/images', 201, { container: ct, name: 'web-image' })
check((await call('GET', `/containers/images/${image}`, 200)).pk === image, 'an image is found')
await call('DELETE', `/containers/images/${image}`, 204)
check((await call('GET', '/containers/images', 200)).length === images.length, 'the image is gone')

await call('POST', `/containers/${clone}/stop`, 204, {})
for (const one of [clone, ct]) await call('DELETE', `/containers/${one}`, 204)
check((await call('GET', '/containers', 200)).length === listed.length, 'all is as it was')
console.log('done')
