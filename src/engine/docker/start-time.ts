import { fields, moment } from './read.ts'
import type { Wire } from './engine-wire.ts'

/**
 * When the engine's process came up, milliseconds since 1970. It does not say so itself, but makes its default network
 * anew each time; 0 where that network is switched off. With `live-restore` and running containers it is kept, and so
 * are they.
 */
export async function readStart(wire: Wire, signal?: AbortSignal): Promise<number> {
  const request = { doing: 'asking when it came up', method: 'GET', path: '/networks/bridge' } as const
  const answer = await wire.ask({ ...request, expect: [404], signal })
  return answer.status === 404 ? 0 : moment(fields(answer.body).Created)
}
