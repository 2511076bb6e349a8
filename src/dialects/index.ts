/** Every dialect that can be served. */
import type { Dialect } from './dialect.ts'
import { hebergos } from './hebergos/plugin.ts'
import { hostapi } from './hostapi/plugin.ts'
import { lwp } from './lwp/plugin.ts'
import type { DialectName } from './names.ts'
import { vz } from './vz/plugin.ts'
import { vzapi } from './vzapi/plugin.ts'

export const DIALECTS: Record<DialectName, Dialect> = { hebergos, hostapi, lwp, vz, vzapi }
