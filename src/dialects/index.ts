/** Every dialect that can be served. */
import type { Dialect } from './dialect.ts'
import { hostapi } from './hostapi/plugin.ts'
import { lwp } from './lwp/plugin.ts'
import type { DialectName } from './names.ts'

export const DIALECTS: Partial<Record<DialectName, Dialect>> = { hostapi, lwp }
