/**
 * A client of `exec` that costs next to nothing, as a process of its own: `pipe.ts SOCKET INSTANCE BYTES` sends that many
 * zeros to `cat` in the instance, and says how many have come back and the
 * milliseconds from its request on. What the real `lxc` takes of the processor is not
 * in its figures. Its frames are masked with zeros, which a server has to unmask as any other.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { argv, stdout } from 'node:process'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'

/** Bytes of a frame. */
const FRAME = 64 * 1024

const [socket = '', instance = '', most = '0'] = argv.slice(2)
const began = performance.now()
const command = { command: ['cat'], interactive: false, 'wait-for-websocket': true }
const made = await callApi(socket, { method: 'POST', path: `/1.0/instances/${instance}/exec`, body: command })
const operation = fieldOf(made.body, 'metadata')
const id = String(fieldOf(operation, 'id'))
const secrets = fieldOf(fieldOf(operation, 'metadata'), 'fds')
const [input, output] = await Promise.all(['0', '1', '2'].map((fd) => open(String(fieldOf(secrets, fd)))))
if (input === undefined || output === undefined) throw new Error('No streams')
const [received] = await Promise.all([countPayload(output), send(input, Number(most))])
stdout.write(`${received} ${(performance.now() - began).toFixed(0)}\n`)
process.exit(0)

async function open(secret: string): Promise<Socket> {
  const opened = connect(socket)
  const headers = ['Host: bench', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  const key = `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`
  opened.write([`GET /1.0/operations/${id}/websocket?secret=${secret} HTTP/1.1`, ...headers, key, '', ''].join('\r\n'))
  const [answer]: Buffer[] = await once(opened, 'data')
  opened.pause()
  // Nothing comes out before something has gone in, so that the answer comes alone.
  if (answer?.toString().startsWith('HTTP/1.1 101') !== true) throw new Error(`No websocket: ${answer?.toString()}`)
  return opened
}

async function send(to: Socket, bytes: number): Promise<void> {
  const body = Buffer.alloc(FRAME)
  for (let left = bytes; left > 0; left -= FRAME) {
    const head = Buffer.alloc(14)
    head.writeUInt16BE(0x82ff)
    const length = Math.min(left, FRAME)
    head.writeBigUInt64BE(BigInt(length), 2)
    to.write(head)
    if (!to.write(length === FRAME ? body : body.subarray(0, length))) await once(to, 'drain')
  }
  // LXD's end of what is sent: an empty text.
  to.write(Buffer.from([0x81, 0x80, 0, 0, 0, 0]))
}

/** Bytes in the binary frames of a server until it says that it closes. */
async function countPayload(from: Socket): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  let kept: Buffer = Buffer.alloc(0)
  let [skip, sum] = [0, 0]
  from.on('data', (chunk: Buffer) => {
    let data = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    for (;;) {
      const passed = Math.min(skip, data.length)
      skip -= passed
      data = data.subarray(passed)
      const [kind, short = 0] = data
      const size = { 126: 4, 127: 10 }[short] ?? 2
      if (data.length < size) break
      if (kind === 0x88) resolve(sum)
      skip = size === 2 ? short : size === 4 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2))
      if (kind === 0x82) sum += skip
      data = data.subarray(size)
    }
    kept = data
  })
  from.resume()
  return promise
}
