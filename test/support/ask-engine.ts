import { request } from 'node:http'

/** An answer of the Docker Engine: its status and whole body; a test parses it into the type it expects. */
export interface EngineAnswer {
  readonly status: number
  readonly text: string
}

/** One plain request to an engine's unix socket, without any client library: how tests look from outside. */
export function askEngine(
  socketPath: string,
  method: string,
  path: string,
  body?: Buffer | Readonly<Record<string, unknown>>,
): Promise<EngineAnswer> {
  const payload = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
  const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json'
  return new Promise((resolve, reject) => {
    const headers = payload ? { 'content-type': type, 'content-length': payload.length } : {}
    const sent = request({ socketPath, method, path, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
      })
    })
    sent.on('error', reject)
    sent.end(payload)
  })
}
