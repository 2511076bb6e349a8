/** One API process: reads from its mirror and the engine, hands all work to the workers, and listens. */
import { randomBytes } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildApp } from './app.ts'
import { assemble } from './assemble.ts'
import type { Dialect } from './dialects/dialect.ts'
import { DIALECTS } from './dialects/index.ts'
import type { Placement } from './dialects/names.ts'
import { DEFAULT_SETTINGS, type DialectSettings } from './dialects/settings.ts'
import type { Config } from './config.ts'
import type { App } from './http/app-types.ts'
import { listen } from './http/listeners.ts'
import type { Tokens } from './services/tokens.ts'
import { openDeps } from './wire.ts'

/** Name of the token that is made at first start. */
const ADMIN = 'admin'
/** Milliseconds that requests under way get at SIGTERM. */
const DRAIN = 3_000

export async function serve(config: Config): Promise<void> {
  const deps = await openDeps(config, 'api')
  try {
    const services = await assemble(deps)
    const tokenFile = await adoptAdminToken(config, services.tokens)
    const { version, freshness, openScope } = services
    const options = { logger: deps.log, version, freshness, openScope, ...dialectOptions(config) }
    const app = buildApp({ services, options: { ...options, dialects: dialectsAt(config, undefined) } })
    const { WINDLASS_SOCKET: given, WINDLASS_HTTP: http } = config
    const socket = given === 'off' ? undefined : (given ?? join(config.WINDLASS_DATA_DIR, 'unix.socket'))
    const { http: url } = await listen(app, { socket, http })
    const elsewhere = await listenElsewhere(config, (dialects) =>
      buildApp({ services, options: { ...options, native: false, dialects } }),
    )
    await services.prepare()
    process.send?.({ type: 'ready', url, socket, docs: url === undefined ? undefined : `${url}/docs`, tokenFile })
    deps.log.info({ url, socket }, 'Windlass listens')
    await stopAsked()
    await Promise.all([app, ...elsewhere].map(drain))
  } finally {
    await deps.close()
  }
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

/** The dialects on one listener; undefined: on the server's own. */
function dialectsAt({ WINDLASS_DIALECTS }: Config, place: Placement['listen']): Mounted[] {
  return WINDLASS_DIALECTS.filter(
    (one) => one.listen?.port === place?.port && one.listen?.host === place?.host,
  ).flatMap(({ name, prefix }) => {
    const dialect = DIALECTS[name]
    return dialect === undefined ? [] : [{ dialect, prefix }]
  })
}

type Mounted = { dialect: Dialect; prefix: string }

/** Dialects that have a port of their own get an application of their own there. */
async function listenElsewhere(config: Config, build: (dialects: Mounted[]) => App): Promise<App[]> {
  const places = new Map(
    config.WINDLASS_DIALECTS.flatMap(({ listen: place }) =>
      place === undefined ? [] : [[`${place.host}:${place.port}`, place]],
    ),
  )
  const apps: App[] = []
  for (const http of places.values()) {
    const app = build(dialectsAt(config, http))
    await listen(app, { socket: undefined, http })
    apps.push(app)
  }
  return apps
}

/** Requests under way are answered; those that take too long (waits, event streams) are cut, and clients come again. */
async function drain(app: App): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), DRAIN)
  await app.close()
  clearTimeout(late)
}

/** SIGTERM, Ctrl-C, or the end of the supervisor. */
function stopAsked(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve())
  process.once('disconnect', () => resolve())
  // Listening would keep the channel to the supervisor, and with it this process, open for ever.
  process.channel?.unref()
  return promise
}
