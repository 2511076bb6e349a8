import { request, type IncomingHttpHeaders } from 'node:http'

/** An answer with what `callApi` leaves out: headers, and how long it took. */
export interface TimedAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Decoded JSON, or the text. */
  readonly body: unknown
  /** Milliseconds. */
  readonly ms: number
}

export interface Asked {
  /** A unix socket's path, or an http URL. */
  readonly at: string
  readonly method?: string
  readonly path: string
  readonly body?: unknown
  readonly token?: string
}

/** One request on a connection of its own. */
export function askApi({ at, method = 'GET', path, body, token }: Asked): Promise<TimedAnswer> {
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length }),
  }
  const where = at.startsWith('http') ? { host: new URL(at).hostname, port: new URL(at).port } : { socketPath: at }
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const sent = request({ ...where, method, path, headers, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const ms = performance.now() - began
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: decode(text), ms })
      })
    })
    sent.on('error', reject)
    sent.end(payload)
  })
}

function decode(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
