import { request } from 'node:http'
import { buffer } from 'node:stream/consumers'

/** The bytes that the server sends on its unix socket; throws for any other answer than 200. */
export async function downloadApi(socketPath: string, path: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const sent = request({ socketPath, path, agent: false }, (answer) => {
    const body = buffer(answer)
    if (answer.statusCode === 200) body.then(resolve, reject)
    else body.then((text) => reject(new Error(`GET ${path} answered ${answer.statusCode}: ${text.toString()}`)), reject)
  })
  sent.on('error', reject)
  sent.end()
  return promise
}
