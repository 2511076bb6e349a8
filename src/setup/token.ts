// `npm run token -- list | add NAME [--role R] [--project P …] [--expires TIME] | revoke NAME`, over the unix socket.
import { parseArgs } from 'node:util'
import { askServer, fieldOf } from './api-client.ts'
import { SetupError } from './host.ts'

const USAGE = `token list
token add NAME [--role viewer|operator|admin] [--project NAME]… [--expires TIME] [--description TEXT]
token revoke NAME`

/** Lists, makes or revokes tokens of the running server. A new secret is printed once and kept nowhere. */
export async function token(socket: string, args: string[], print: (text: string) => void): Promise<void> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      role: { type: 'string', default: 'operator' },
      project: { type: 'string', multiple: true },
      expires: { type: 'string' },
      description: { type: 'string', default: '' },
    },
  })
  const [verb = 'list', name] = positionals
  const path = '/1.0/auth/tokens'
  if (verb === 'list') {
    const tokens = await call(socket, 'GET', `${path}?recursion=1`)
    for (const one of Array.isArray(tokens) ? tokens : []) print(describe(one))
  } else if (verb === 'add' && name !== undefined) {
    const { role, description, project, expires } = values
    const body = { name, role, description, projects: project ?? null, expires_at: expires ?? null }
    print(String(fieldOf(await call(socket, 'POST', path, body), 'token')))
  } else if (verb === 'revoke' && name !== undefined) {
    await call(socket, 'DELETE', `${path}/${encodeURIComponent(name)}`)
  } else {
    throw new SetupError(`Usage:\n${USAGE}`)
  }
}

function describe(one: unknown): string {
  const projects = fieldOf(one, 'projects')
  const where = Array.isArray(projects) ? projects.join(', ') : 'every project'
  return `${String(fieldOf(one, 'name')).padEnd(24)} ${String(fieldOf(one, 'role')).padEnd(9)} ${where}`
}

async function call(socket: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await askServer(socket, { method, path, ...(body === undefined ? {} : { body }) })
  if (answer.status >= 400)
    throw new SetupError(`The server answered ${answer.status}: ${String(fieldOf(answer.body, 'error'))}`)
  return fieldOf(answer.body, 'metadata')
}
