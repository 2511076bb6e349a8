/** Where the dialects are served: on the server's own listeners, or on ports of their own. */
import type { Config } from './config.ts'
import { DIALECTS } from './dialects/index.ts'
import type { Mounted } from './dialects/mount.ts'
import type { Placement } from './dialects/names.ts'
import type { ApiDocument, App } from './http/app-types.ts'
import { listen } from './http/listeners.ts'
import { SetupError } from './setup/host.ts'

/** A port of its own, and the dialects that are served there. */
interface Place {
  address: NonNullable<Placement['listen']>
  dialects: Mounted[]
}

/** What the server's own listeners need to know of the dialects. */
export interface Places {
  here: Mounted[]
  /** Of those on other ports: by name, where they are, and their documents. */
  urls: Record<string, string>
  documents: Map<string, ApiDocument>
}

/** Listens on every port that the settings give to dialects; `build` makes the application for each. */
export async function openPlaces(
  { WINDLASS_DIALECTS }: Pick<Config, 'WINDLASS_DIALECTS'>,
  build: (dialects: Mounted[]) => App,
): Promise<Places> {
  const here: Mounted[] = []
  const elsewhere = new Map<string, Place>()
  for (const { name, prefix, listen: address } of WINDLASS_DIALECTS) {
    const mounted = { dialect: DIALECTS[name], prefix }
    if (address === undefined) {
      here.push(mounted)
      continue
    }
    // Port 0 is a free one for each.
    const key = address.port === 0 ? name : `${address.host}:${address.port}`
    const { dialects = [] } = elsewhere.get(key) ?? {}
    elsewhere.set(key, { address, dialects: [...dialects, mounted] })
  }
  const places: Places = { here, urls: {}, documents: new Map() }
  for (const place of elsewhere.values()) {
    const app = build(place.dialects)
    const url = await listenAt(app, place)
    for (const { dialect } of place.dialects) places.urls[dialect.name] = url
    for (const [name, document] of app.documents) places.documents.set(name, seenFromElsewhere(document, url))
  }
  return places
}

async function listenAt(app: App, { address, dialects }: Place): Promise<string> {
  try {
    const { http } = await listen(app, { socket: undefined, http: address })
    return http ?? ''
  } catch (thrown) {
    const reason = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown)
    const names = dialects.map(({ dialect }) => dialect.name).join(', ')
    const where = `${address.host}:${address.port}`
    throw new SetupError(`Cannot serve ${names} at ${where} (${reason}): choose another address in WINDLASS_DIALECTS.`)
  }
}

/** The document of an API that is served at the URL. */
function seenFromElsewhere({ title, read }: ApiDocument, url: string): ApiDocument {
  return {
    title,
    read: (hostname) => {
      const document = read(hostname)
      const server = reachable(url, hostname)
      const more = `Served at ${server}: only the pages there (${server}/docs) can send requests to it.`
      const { info } = document
      const description = `${info.description ?? ''}\n\n${more}`.trim()
      return { ...document, info: { ...info, description }, servers: [{ url: server }] }
    },
  }
}

/** What listens on all addresses is reached by the name by which the reader has reached us. */
function reachable(url: string, hostname: string): string {
  const { protocol, hostname: host, port } = new URL(url)
  const isAnywhere = host === '0.0.0.0' || host === '[::]'
  return `${protocol}//${isAnywhere ? hostname : host}:${port}`
}
