/** What becomes of an instance whose container does not run although it should: design 1.16, as LXD's last state. */
import type { Config } from '../contract/common.ts'
import type { Boot, InstanceRecord } from '../contract/records.ts'
import { isTrue } from './config-values.ts'

/** How a container that does not run came to that; milliseconds since 1970. */
export interface Rest {
  created: number
  /** 0: it has never run. */
  finishedAt: number
  exitCode: number
}

/** `settle`: it has stopped, and the record is to say so. */
export type Remedy = 'start' | 'settle' | 'none'

/** A system's init exits so when it is asked to reboot from inside. */
const REBOOT = 129

/** Whether the record or its config asks for a running instance at all; what it does not is left alone. */
export function wantsPower({ power }: Pick<InstanceRecord, 'power'>, config: Config): boolean {
  return power === 'running' || isTrue(config['boot.autostart'])
}

/** `config` is expanded. `engineStart`: when the present engine process came up. */
export function remedyOf(
  { power, boot }: { power: InstanceRecord['power']; boot: Boot },
  config: Config,
  rest: Rest,
  engineStart: number,
): Remedy {
  const autostart = config['boot.autostart'] ?? ''
  const last = rest.finishedAt === 0 ? rest.created : rest.finishedAt
  if (power === 'stopped') return isTrue(autostart) && last <= engineStart ? 'start' : 'none'
  // Nobody has seen it die: it went down with the engine.
  if (rest.finishedAt <= engineStart) return autostart === '' || isTrue(autostart) ? 'start' : 'settle'
  return boot !== 'application' && rest.exitCode === REBOOT ? 'start' : 'settle'
}

/** `boot.autostart.priority`: the highest starts first. */
export function startPriority(config: Config): number {
  const priority = Number.parseInt(config['boot.autostart.priority'] ?? '', 10)
  return Number.isNaN(priority) ? 0 : priority
}
