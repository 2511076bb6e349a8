/** What browsers are told with every answer: nothing here is a page, and nothing may be put into another's. */
import type { App } from './app-types.ts'

// The values are those of helmet, which would make them anew for each request. Nothing about HTTPS: plain HTTP is for
// loopback, and whoever puts TLS before it says so there.
const HEADERS = {
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
}

/** Registers the hook: before all others, so that refusals have them, too. */
export function sendBrowserHeaders(app: App): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(HEADERS)
    done()
  })
}
