/** dockerode as a plain caller: one engine call a line, nothing around it. */
import Docker from 'dockerode'

export interface CallOptions {
  query?: Record<string, string | boolean>
  body?: object
}

/** Sends one call and gives the decoded answer; any status but 2xx throws. */
export type Call = <T = unknown>(method: string, path: string, options?: CallOptions) => Promise<T>

const GOOD = { 200: true, 201: true, 204: true, 304: true }

/** Calls to the engine behind a unix socket. */
export function openCalls(socketPath: string): Call {
  const { modem } = new Docker({ socketPath })
  return (method, path, { query = {}, body = {} } = {}) =>
    new Promise((resolve, reject) => {
      // dockerode's own functions would send a body's fields in the query, too.
      const options = { path: `${path}?`, method, options: { _query: query, _body: body }, statusCodes: GOOD }
      // What the engine answers is what its documentation says of this path; each caller names the type.
      modem.dial(options, (error, answer) => (error === null ? resolve(answer as never) : reject(asError(error))))
    })
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
