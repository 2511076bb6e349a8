/** Writes what is generated and committed: the OpenAPI documents beside it and the README's table of settings. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { buildApp, type Services } from '../src/app.ts'
import { settingsTable } from '../src/config.ts'
import { DIALECTS } from '../src/dialects/index.ts'
import manifest from '../package.json' with { type: 'json' }

/** The native API's document as it is to be committed. */
export async function nativeDocument(): Promise<string> {
  return (await documents()).get('native') ?? ''
}

/** Every document by the name of its API. */
async function documents(): Promise<Map<string, string>> {
  const dialects = Object.values(DIALECTS).map((dialect) => ({ dialect, prefix: '' }))
  const app = buildApp({ services: uncallable(), options: { version: manifest.version, dialects } })
  try {
    await app.ready()
    return new Map([...app.documents].map(([name, { read }]) => [name, `${JSON.stringify(read(''), null, 2)}\n`]))
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

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Every generated file with what it is to hold. */
export async function generated(): Promise<{ path: string; text: string }[]> {
  const readme = await readFile(at('../README.md'), 'utf8')
  const table = `<!-- settings: npm run openapi writes this table -->\n${settingsTable()}\n<!-- /settings -->`
  return [
    ...[...(await documents())].map(([name, text]) => ({ path: at(`${name}.json`), text })),
    { path: at('../README.md'), text: readme.replace(/<!-- settings:[^]*<!-- \/settings -->/, () => table) },
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const { path, text } of await generated()) await writeFile(path, text)
