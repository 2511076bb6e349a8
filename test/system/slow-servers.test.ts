/** Other servers that keep a worker waiting: each bound of a conversation, against a real server over HTTPS. */
import type { ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EVERYWHERE } from '../../src/core/outbound.ts'
import { startImageServer, SECRET, type ImageServer } from '../support/image-server.ts'
import { talk, type Bounds } from '../../workers/other-server.ts'

const PATIENT: Bounds = { answer: 60_000, window: 60_000, least: 1, whole: 60_000 }

let server: ImageServer
beforeAll(async () => {
  server = await startImageServer()
})
afterAll(() => server?.[Symbol.asyncDispose]())

/** A file that comes a byte at a time, for as long as it is taken. */
function trickle(response: ServerResponse): void {
  const timer = setInterval(() => response.write('x'), 20)
  response.once('close', () => clearInterval(timer))
}

function download(answer: (response: ServerResponse) => void, bounds: Partial<Bounds>): Promise<Buffer> {
  const fingerprint = server.offer(Buffer.from(String(Math.random())), answer)
  const { url, certificate } = server
  const target = { url, certificate, reach: EVERYWHERE }
  const work = { ...PATIENT, ...bounds }
  const path = `/1.0/images/${fingerprint}/export?secret=${encodeURIComponent(SECRET)}`
  return talk(target, AbortSignal.timeout(60_000), async (line) => buffer(line.moving(await line.ask(path))), work)
}

test('a file that trickles is given up', async () => {
  await expect(download(trickle, { window: 200, least: 1000 })).rejects.toMatchObject({
    code: 'bad-request',
    message: expect.stringMatching(/ is too slow: \d+ bytes in 0\.2 s$/),
  })
})

test('a file that stops coming is given up', async () => {
  const stop = (response: ServerResponse) => void response.write(Buffer.alloc(10_000))
  await expect(download(stop, { window: 200 })).rejects.toThrow(/ is too slow: 0 bytes /)
})

test('a file that comes just fast enough is given up when everything has lasted too long', async () => {
  await expect(download(trickle, { whole: 500 })).rejects.toThrow(`${server.url} was not done within 0.5 s`)
})

test('a server that says nothing is as good as none', async () => {
  await expect(download(() => undefined, { answer: 200 })).rejects.toThrow('No server with the certificate')
})

test('a cancel ends it, whatever the server does', async () => {
  const cancel = new AbortController()
  const fingerprint = server.offer(Buffer.from('cancelled'), (response) => {
    trickle(response)
    cancel.abort('cancelled')
  })
  const { url, certificate } = server
  const path = `/1.0/images/${fingerprint}/export?secret=${encodeURIComponent(SECRET)}`
  const asked = talk({ url, certificate, reach: EVERYWHERE }, cancel.signal, async (line) =>
    buffer(line.moving(await line.ask(path))),
  )
  await expect(asked).rejects.toThrow(/abort|No server/i)
})

test('a server that does not take what is sent is given up', async () => {
  const { url, certificate } = server
  const endless = Readable.from(
    (async function* () {
      for (;;) yield Buffer.alloc(65_536)
    })(),
    { objectMode: false },
  )
  const sent = talk(
    { url, certificate, reach: EVERYWHERE },
    AbortSignal.timeout(60_000),
    // Nobody there reads a request without its secret.
    async (line) => line.ask('/silent', { method: 'POST', body: line.moving(endless) }),
    { ...PATIENT, window: 500, least: 100_000_000 },
  )
  await expect(sent).rejects.toThrow(/ is too slow/)
})

test('a name that leads out of reach is as good as none', async () => {
  const { certificate } = server
  const { port } = new URL(server.url)
  const url = `https://localhost:${port}`
  const asked = talk({ url, certificate, reach: [] }, AbortSignal.timeout(60_000), (line) => line.ask('/1.0'), PATIENT)
  await expect(asked).rejects.toThrow(`No server with the certificate that is wanted answers at ${url}`)
})
