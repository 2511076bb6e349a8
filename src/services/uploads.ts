/** What clients send lies on a member's engine, in a volume that nobody else knows of yet, until an operation has it. */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { KeptTarball } from '../core/backups.ts'
import type { Engine } from '../core/engine.ts'
import { isFailure } from '../core/failure.ts'
import { KEPT_FILE, uploadVolume } from '../core/kept-files.ts'
import type { Clock, Transfers } from '../core/ports.ts'

export type Uploads = ReturnType<typeof createUploads>

export interface UploadsDeps {
  transfers: Pick<Transfers, 'begin'>
  uploadLimit: number
  deployment: string
  clock: Pick<Clock, 'uuid'>
}

/** A tarball that a client sends. */
interface Sent {
  project: string
  content: Readable
  /** Aborts when the client is gone. */
  signal: AbortSignal | undefined
}

export function createUploads(deps: UploadsDeps) {
  /**
   * Fills the volume and submits the operation that is to have it, which goes by the id that `work` is given. Nothing is
   * left where that fails.
   */
  async function into(
    { engine, volume }: { engine: Engine; volume: string },
    work: (id: string) => Promise<OperationRecord>,
  ): Promise<OperationRecord> {
    // Should this process die over it, the sweep finds it by the transfer; from its acceptance on by the operation.
    const transfer = await deps.transfers.begin()
    const isDropped = () => drop(engine, volume)
    try {
      const operation = await work(transfer.id)
      // A repeat of an earlier request is answered with that one's operation.
      if (operation.id === transfer.id || (await isDropped())) await transfer.end()
      else transfer.leave()
      return operation
    } catch (failure) {
      // It may have been accepted although the answer was lost.
      if (!isFailure(failure, 'unavailable')) await isDropped()
      // What the engine was about to make when the client went away is there only later: the sweep looks again.
      transfer.leave()
      throw failure
    }
  }

  /** Keeps a backup that is sent; `work` looks into it and submits what is to become of it, by the id it is given. */
  async function tarball(
    engine: Engine,
    { project, content, signal }: Sent,
    work: (kept: KeptTarball, id: string) => Promise<OperationRecord>,
  ): Promise<OperationRecord> {
    const uuid = deps.clock.uuid()
    const volume = uploadVolume(uuid)
    const about = { deployment: deps.deployment, role: 'tarball' as const, uuid, project }
    return into({ engine, volume }, async (id) => {
      const labels = { ...about, operation: id, step: 'upload', origin: '' }
      await engine.volumes.putFile(volume, KEPT_FILE, content, { labels, maxBytes: deps.uploadLimit }, signal)
      return work({ volume, file: KEPT_FILE, labels }, id)
    })
  }

  /** `limit`: bytes an upload may have. */
  return { into, tarball, limit: deps.uploadLimit }
}

/** How often, and after how many milliseconds, a volume of which a helper is still going is tried again. */
const TRIES = 10
const BETWEEN = 200

async function drop(engine: Engine, volume: string): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    const outcome = await engine.volumes.remove(volume).catch(() => 'in-use')
    if (outcome !== 'in-use') return true
    if (tries === TRIES) return false
    await sleep(BETWEEN)
  }
}
