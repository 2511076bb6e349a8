/** The OpenAPI document and its pages: derived from the routes, which say only what is their own. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { RouteOptions } from 'fastify'
import { ErrorAnswer } from '../contract/envelope.ts'
import { namedSchemas, ref } from '../contract/named.ts'
import type { App } from './app-types.ts'
import { exampleOf } from './example.ts'
import { describeBodies, describeHeaders, HEADER_PARAMETERS } from './openapi-details.ts'

const TAGS = [
  ['server', 'The server and what it can do'],
  ['instances', 'Instances: system and application containers'],
  ['snapshots', 'Snapshots of instances'],
  ['backups', 'Backups of instances: tarballs of them'],
  ['images', 'Images and their aliases'],
  ['profiles', 'Configuration that instances share'],
  ['networks', 'Bridges that instances are attached to'],
  ['storage', 'The storage pool and its volumes'],
  ['projects', 'Separate rooms for instances, images and profiles'],
  ['operations', 'Work in the background, its progress and its history'],
  ['events', 'What happens, as it happens'],
  ['warnings', 'Trouble the server has noticed'],
  ['tokens', 'Who may use the HTTP listener'],
  ['certificates', 'Clients that the HTTPS listener trusts'],
  ['health', 'For supervisors'],
] as const

const DESCRIPTION = `The LXD REST API on Docker Engine.

Long work is answered with 202 at once: follow \`Location\`, poll \`/jobs/<id>\`, wait with \`/wait\` or \`Prefer: wait=N\`,
or follow \`/1.0/events\`. An \`Idempotency-Key\` on any change makes it safe to send again.

Over HTTPS a client certificate in the trust store does in place of a token.`

/** The listeners' bearer token; the unix socket needs none. */
const SECURITY = [{ token: [] }]

/** Where to look after a 202. */
const LINKS = {
  202: {
    operation: { operationId: 'getOperation', parameters: { id: '$response.body#/metadata/id' } },
    wait: { operationId: 'waitForOperation', parameters: { id: '$response.body#/metadata/id' } },
    job: { operationId: 'getJob', parameters: { id: '$response.body#/metadata/id' } },
  },
}

/** Collects the routes that are registered after it. */
export async function describeApi(app: App, version: string): Promise<void> {
  for (const schema of namedSchemas().values()) app.addSchema(schema)
  app.addHook('onRoute', complete)
  await app.register(swagger, {
    convertConstToEnum: false,
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Windlass', version, description: DESCRIPTION, license: { name: 'Apache-2.0' } },
      tags: TAGS.map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
        parameters: HEADER_PARAMETERS,
      },
      security: SECURITY,
    },
    transform: ({ schema, url }) => ({ schema: describeBodies(schema), url }),
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject
      describeHeaders(Object(document.openapiObject.paths))
      return document.openapiObject
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, at) =>
        typeof json['$id'] === 'string' ? json['$id'] : `def-${at}`,
    },
  })
}

/** The documents, each at `/openapi/<name>.json` (the first also at `/openapi.json`), and the pages at `/docs`, usable with a token. */
export function serveDocuments(app: App): void {
  // The pages insist on one in their own scope; what they show are the documents of the scopes of the routes.
  app.register(swagger, { openapi: { openapi: '3.1.0', info: { title: 'Windlass', version: '' } } })
  app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: {
      persistAuthorization: true,
      docExpansion: 'list',
      displayRequestDuration: true,
      urls: [...app.documents].map(([name, { title }]) => ({ url: `/openapi/${name}.json`, name: title })),
    },
    // The pages bring their scripts along; only their styles stand in the page itself.
    staticCSP:
      "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'none'; " +
      "frame-ancestors 'none'; img-src 'self' data:; script-src 'self'; style-src 'self' 'unsafe-inline'",
  })
  const open = { schema: { hide: true }, config: { open: true } }
  for (const [at, [name, { read }]] of [...app.documents].entries())
    for (const path of [`/openapi/${name}.json`, ...(at === 0 ? ['/openapi.json'] : [])])
      app.get(path, open, async ({ hostname }) => read(hostname))
}

/** Adds to a route what all have in common: failures, examples, links, and whether a token is needed. */
function complete(route: RouteOptions): void {
  const { schema } = route
  if (schema === undefined || schema.hide === true) return
  // A copy: routes share their answers.
  const response: Record<string, object> = { ...Object(schema.response) }
  for (const [status, answer] of Object.entries(response)) response[status] = withWords(status, answer)
  response['4xx'] ??= failure('Refused; `error` says why.')
  response['5xx'] ??= failure('Not possible at the moment, or our own fault.')
  route.schema = { ...schema, response, ...(route.config?.open && { security: [{}, ...SECURITY] }) }
  if ('202' in response) Object.assign(route, { links: LINKS })
}

const failure = (description: string) => ({ ...ref(ErrorAnswer), description })

const WORDS: Record<string, string> = { 200: 'Done.', 201: 'Created.', 202: 'Accepted: the work goes on.' }

const text = (description: string) => ({ type: 'string', description })
const HEADERS: Record<string, Record<string, object>> = {
  201: { Location: text('URL of what was created.') },
  202: {
    Location: text('URL of the operation.'),
    Link: text('The small polling route, `rel="monitor"`.'),
    'Retry-After': text('Seconds until asking again makes sense.'),
    'Windlass-Event-Cursor': text('Events after this one (`Last-Event-ID`) tell the whole operation.'),
  },
}

function withWords(status: string, answer: object): object {
  const words = { description: WORDS[status] ?? 'Answer.', ...(status in HEADERS && { headers: HEADERS[status] }) }
  if ('content' in answer || ('type' in answer && answer.type === 'null')) return { ...words, ...answer }
  const example = exampleOf(answer)
  // Beside a reference nothing else is taken into the document.
  if ('$ref' in answer) return { ...words, content: { 'application/json': { schema: answer, example } } }
  return { ...words, ...answer, examples: [example] }
}
