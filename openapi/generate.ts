/** Writes the OpenAPI documents that are committed beside it. Run with `--check` it only compares. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { buildApp, type Services } from '../src/app.ts'
import manifest from '../package.json' with { type: 'json' }

/** The native API's document as it is to be committed. */
export async function nativeDocument(): Promise<string> {
  const app = buildApp({ services: uncallable(), options: { version: manifest.version } })
  try {
    await app.ready()
    return `${JSON.stringify(app.swagger(), null, 2)}\n`
  } finally {
    await app.close()
  }
}

/** Services that only stand there: routes are described, not called. */
function uncallable(): Services {
  const nothing: object = new Proxy(() => nothing, {
    get: () => nothing,
    apply: () => {
      throw new Error('No service is called while documents are made')
    },
  })
  return nothing as Services // never used
}

export const NATIVE = fileURLToPath(new URL('native.json', import.meta.url))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const document = await nativeDocument()
  if (!process.argv.includes('--check')) await writeFile(NATIVE, document)
  else if ((await readFile(NATIVE, 'utf8')) !== document) {
    process.stderr.write('openapi/native.json is not what the routes say; run: npm run openapi\n')
    process.exitCode = 1
  }
}
