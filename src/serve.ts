/** One API process: reads from its mirror and the engine, hands all work to the workers, and listens. */
import { randomBytes } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type AppOptions, buildApp } from './app.ts'
import { assemble } from './assemble.ts'
import { openPlaces } from './dialect-places.ts'
import { DEFAULT_SETTINGS, type DialectSettings } from './dialects/settings.ts'
import type { Config } from './config.ts'
import type { App } from './http/app-types.ts'
import { listen } from './http/listeners.ts'
import type { PeerAddresses } from './redis/peers.ts'
import { type HttpsFacts, toHttpsFacts } from './services/https-facts.ts'
import type { Tokens } from './services/tokens.ts'
import { refuseBusyPort } from './setup/ports.ts'
import { ensureServerCertificate } from './setup/server-certificate.ts'
import { stayLean } from './setup/lean-node.ts'
import { stopAsked } from './stop-asked.ts'
import { openDeps } from './wire.ts'

/** Name of the token that is made at first start. */
const ADMIN = 'admin'
/** Milliseconds that requests under way get at SIGTERM. */
const DRAIN = 3_000

export async function serve(config: Config): Promise<void> {
  const { WINDLASS_HTTP: http, WINDLASS_HTTPS: secure } = config
  await refuseBusyPort(http, 'WINDLASS_HTTP')
  await refuseBusyPort(secure, 'WINDLASS_HTTPS')
  const deps = await openDeps(config, 'api')
  const apps: App[] = []
  try {
    let facts: HttpsFacts | undefined
    const services = await assemble(deps, () => facts)
    const tokenFile = await adoptAdminToken(config, services.tokens)
    const { version, freshness, openScope } = services
    const options = { logger: deps.log, version, freshness, openScope, ...dialectOptions(config) }
    const build = (own: Partial<AppOptions>): App => {
      const app = buildApp({ services, options: { ...options, ...own } })
      apps.push(app)
      return app
    }
    const { here, urls, documents } = await openPlaces(config, (dialects) => build({ native: false, dialects }))
    const { WINDLASS_SOCKET: given } = config
    const socket = given === 'off' ? undefined : (given ?? join(config.WINDLASS_DATA_DIR, 'unix.socket'))
    const https = secure && { ...secure, ...(await ensureServerCertificate(config.WINDLASS_DATA_DIR)) }
    const listening = await listen(build({ dialects: here, documents }), { socket, http, https })
    const { http: url } = listening
    if (https !== undefined && listening.https !== undefined)
      facts = toHttpsFacts(https.host, portOf(listening.https), https.certificate)
    await services.presence.announce(addressesOf(config, socket, url))
    await services.prepare()
    const where = { url, https: listening.https, socket, dialects: urls }
    const stopping = stopAsked()
    stayLean()
    process.send?.({ type: 'ready', ...where, docs: url === undefined ? undefined : `${url}/docs`, tokenFile })
    deps.log.info(where, 'Windlass listens')
    await stopping
    await services.streams.close()
  } finally {
    // What listens keeps the process alive, also where something else could not.
    await Promise.all(apps.map(drain))
    await deps.close()
  }
}

function portOf(url: string): number {
  return Number(/\d+$/.exec(url)?.[0])
}

/** Where other API processes find this one. A listener on all addresses has the machine's name for one. */
function addressesOf(config: Config, socket: string | undefined, url: string | undefined): PeerAddresses {
  const host = hostname()
  const http = url?.replace(/\/\/(0\.0\.0\.0|\[::\]):/, `//${host}:`)
  return { host, socket: socket && `unix://${socket}`, http: config.WINDLASS_PEER_URL ?? http }
}

/** The admin token is made once, in a file that only its owner may read; Redis keeps its hash. */
async function adoptAdminToken(config: Config, tokens: Pick<Tokens, 'adopt'>): Promise<string | undefined> {
  if (config.WINDLASS_TOKEN !== undefined) {
    await tokens.adopt(ADMIN, config.WINDLASS_TOKEN, 'admin')
    return undefined
  }
  const file = join(config.WINDLASS_DATA_DIR, 'admin.token')
  const known = await readFile(file, 'utf8').catch(() => undefined)
  const token = known?.trim() ?? `wl_${randomBytes(32).toString('base64url')}`
  if (known === undefined) await writeFile(file, `${token}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
  await tokens.adopt(ADMIN, token, 'admin')
  return file
}

function dialectOptions(config: Config) {
  const { WINDLASS_OPEN_DIALECTS: dialects, WINDLASS_OPEN_DIALECTS_ANYWHERE: anywhere, WINDLASS_SYNC_WAIT } = config
  return {
    openness: { dialects, anywhere: anywhere === 'yes' },
    patience: WINDLASS_SYNC_WAIT,
    dialectSettings: settingsOf(config),
  }
}

function settingsOf(config: Config): DialectSettings {
  return {
    hebergos: {
      image: config.WINDLASS_HEBERGOS_IMAGE,
      portArea: config.WINDLASS_HEBERGOS_PORTS,
      branch: config.WINDLASS_HEBERGOS_BRANCH,
      engine: config.DOCKER_HOST ?? DEFAULT_SETTINGS.hebergos.engine,
    },
    lwp: { templates: config.WINDLASS_LWP_TEMPLATES, shortTokens: config.WINDLASS_LWP_SHORT_TOKENS },
  }
}

/** Requests under way are answered; those that take too long (waits, event streams) are cut, and clients come again. */
async function drain(app: App): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), DRAIN)
  await app.close()
  clearTimeout(late)
}
