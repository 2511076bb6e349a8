/** What an engine says of itself. */
import type { EngineInfo } from '../../core/engine.ts'
import { unavailable } from '../../core/failure.ts'
import { toEngineInfo } from './normalize.ts'
import type { Wire } from './engine-wire.ts'

/** Milliseconds within which an engine that is well answers a ping. */
const PING_WITHIN = 2_000

/** `GET /info` with the API version that is spoken. */
async function readInfo(wire: Wire, signal?: AbortSignal): Promise<EngineInfo> {
  const { body } = await wire.ask({ doing: 'reading what it is', method: 'GET', path: '/info', signal })
  return toEngineInfo(body, await wire.api())
}

/** Remembers the answer for `ms` milliseconds: the parts that decide how a container is made do not change. */
export function rememberInfo(wire: Wire, ms: number): (signal?: AbortSignal) => Promise<EngineInfo> {
  let known: { info: EngineInfo; until: number } | undefined
  return async (signal) => {
    if (known === undefined || performance.now() > known.until) {
      known = { info: await readInfo(wire, signal), until: performance.now() + ms }
    }
    return known.info
  }
}

/** Resolves when the engine answers; unavailable else. */
export async function ping(wire: Wire, signal?: AbortSignal): Promise<void> {
  const enough = AbortSignal.timeout(PING_WITHIN)
  const either = signal === undefined ? enough : AbortSignal.any([signal, enough])
  const request = { doing: 'asking whether it is there', method: 'GET', path: '/_ping', unversioned: true } as const
  try {
    await wire.ask({ ...request, signal: either, timeout: 0, isBlocking: true })
  } catch (error) {
    if (!enough.aborted || signal?.aborted === true) throw error
    const words = `Docker Engine of member "${wire.member}" did not answer within ${PING_WITHIN / 1000} s`
    throw unavailable(words, { retryAfter: 5, cause: error })
  }
}
