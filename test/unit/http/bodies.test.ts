import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { JSON_LIMIT, readBody } from '../../../src/http/bodies.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** A request that was begun with this on a connection, and the connection. */
async function begun(text: string): Promise<{ request: IncomingMessage; socket: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const socket = connect(port, '127.0.0.1')
  closing.push(() => {
    socket.destroy()
    server.close()
  })
  socket.write(`POST / HTTP/1.1\r\nhost: localhost\r\n${text}`)
  const [request]: IncomingMessage[] = await once(server, 'request')
  if (request === undefined) throw new Error('No request')
  return { request, socket }
}

test('a body is read whole, in one piece or many', async () => {
  const { request, socket } = await begun('content-length: 6\r\n\r\nab')
  const reading = readBody(request)
  socket.write('cdef')
  expect((await reading).toString()).toBe('abcdef')
  const { request: chunked } = await begun('transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n')
  expect((await readBody(chunked)).toString()).toBe('abcd')
})

test('one that is announced to be too large is refused before any of it has come', async () => {
  const { request } = await begun(`content-length: ${JSON_LIMIT + 1}\r\n\r\n`)
  await expect(readBody(request)).rejects.toMatchObject({ code: 'too-large' })
})

test('one that turns out to be too large is refused', async () => {
  const { request, socket } = await begun('transfer-encoding: chunked\r\n\r\n')
  const reading = readBody(request)
  const size = JSON_LIMIT + 1
  socket.write(`${size.toString(16)}\r\n${' '.repeat(size)}\r\n`)
  await expect(reading).rejects.toMatchObject({ code: 'too-large' })
})

test('one that never comes is given up, one that is cut off is told so', async () => {
  const { request } = await begun('content-length: 10\r\n\r\n{')
  await expect(readBody(request, 20)).rejects.toMatchObject({
    code: 'bad-request',
    message: 'The body did not come within 0.02 s',
  })
  const { request: cut, socket } = await begun('content-length: 10\r\n\r\n{')
  const reading = readBody(cut)
  socket.destroy()
  await expect(reading).rejects.toMatchObject({ code: 'bad-request', message: 'The body ended too early' })
})
