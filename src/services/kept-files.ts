/** Files that the engines keep in volumes, on their way to a client. */
import { finished, type Readable } from 'node:stream'
import type { Engine } from '../core/engine.ts'
import { isFailure } from '../core/failure.ts'
import type { Transfer, Transfers } from '../core/ports.ts'
import { engineOf } from './engine-of.ts'

export interface KeptFilesDeps {
  engines: ReadonlyMap<string, Engine>
  deployment: string
  transfers: Pick<Transfers, 'begin'>
}

/** A file of a volume, and the record that it belongs to. */
export interface KeptAt {
  member: string
  volume: string
  file: string
  uuid: string
  project: string
}

/** Opens it, with its bytes; undefined where it is not there. The content must be read or destroyed. */
export type OpenKept = (at: KeptAt, signal?: AbortSignal) => Promise<{ size: number; content: Readable } | undefined>

/**
 * The engine reads it through a container that is made for it. Should this process die, or the engine go away, before
 * that is gone again, the sweep finds it by the transfer.
 */
export function createOpenKept({ engines, deployment, transfers }: KeptFilesDeps): OpenKept {
  return async ({ member, volume, file, uuid, project }, signal) => {
    const engine = engineOf(engines, member)
    const transfer = await transfers.begin().catch(unlessAway)
    const labels = { deployment, role: 'helper' as const, uuid, project, step: 'read', origin: '' }
    const own = { ...labels, operation: transfer?.id ?? '' }
    try {
      const kept = await engine.volumes.getFile(volume, file, own, signal)
      if (kept === undefined) await settle(engine, transfer)
      else finished(kept.content, () => void settle(engine, transfer))
      return kept
    } catch (failure) {
      transfer?.leave()
      throw failure
    }
  }
}

/** Reading goes on while Redis is away. */
function unlessAway(failure: unknown): undefined {
  if (!isFailure(failure, 'unavailable')) throw failure
}

async function settle({ containers }: Engine, transfer: Transfer | undefined): Promise<void> {
  if (transfer === undefined) return
  const left = await containers.find({ operation: transfer.id }).catch(() => undefined)
  if (left?.length === 0) await transfer.end()
  else transfer.leave()
}
