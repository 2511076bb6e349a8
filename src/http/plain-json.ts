import type { App } from './app-types.ts'

const WITH_CHARSET = 'application/json; charset=utf-8'

/** LXD names no charset, and JSON has none: what the framework adds is taken off again. */
export function sendPlainJson(app: App): void {
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (reply.getHeader('content-type') === WITH_CHARSET) reply.header('content-type', 'application/json')
    done()
  })
}
