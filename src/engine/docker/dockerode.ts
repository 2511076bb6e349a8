/**
 * dockerode without what it loads for BuildKit sessions and for engines behind ssh, which nothing here uses: together
 * some 30 MB of each process.
 */
import type Docker from 'dockerode'
import { createRequire, registerHooks } from 'node:module'

const UNUSED = /\/node_modules\/(@grpc\/grpc-js|@grpc\/proto-loader|ssh2)\//

/** The class itself. */
export const Dockerode = load()

function load(): typeof Docker {
  const hooks = registerHooks({
    load: (url, context, next) =>
      UNUSED.test(url) ? { format: 'commonjs', source: '', shortCircuit: true } : next(url, context),
  })
  try {
    return createRequire(import.meta.url)('dockerode') as typeof Docker // the package's own types
  } finally {
    hooks.deregister()
  }
}
