/** What the engine says of one container. */
import type { Wire } from './engine-wire.ts'
import { fields, type Fields } from './read.ts'
import { route } from './requests.ts'

/** `GET /containers/{id}/json` of exactly this id or name. The engine itself would also take the beginning of an id. */
export async function inspectPayload(wire: Wire, reference: string, signal?: AbortSignal): Promise<Fields | undefined> {
  // What can be no name must not get into a path either.
  if (!/^[A-Za-z0-9][\w.-]*$/.test(reference)) return undefined
  const path = route`/containers/${reference}/json`
  const answer = await wire.ask({ doing: `reading container ${reference}`, method: 'GET', path, signal, expect: [404] })
  if (answer.status === 404) return undefined
  const payload = fields(answer.body)
  return payload.Id === reference || payload.Name === `/${reference}` ? payload : undefined
}
