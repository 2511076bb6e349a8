/** Sizes and shares as LXD writes them. */
import { badRequest } from './failure.ts'

const FACTORS: Record<string, number> = {
  '': 1,
  B: 1,
  ' bytes': 1,
  bytes: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  PB: 1e15,
  EB: 1e18,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  PiB: 2 ** 50,
  EiB: 2 ** 60,
}

/** LXD's size (`512MiB`, `1GB`, `4096`, `10 bytes`) → bytes; '' is 0. Throws bad-request with LXD's text. */
export function parseBytes(text: string): number {
  if (text === '') return 0
  const [, digits, suffix] = /^([0-9]+)(.*)$/s.exec(text) ?? []
  const factor = suffix === undefined ? undefined : FACTORS[suffix]
  const bytes = Number(digits) * (factor ?? Number.NaN)
  // Beyond a signed 64-bit integer LXD fails as well.
  if (!Number.isFinite(bytes) || bytes >= 2 ** 63) throw badRequest(`Invalid value: ${text}`)
  return bytes
}

/** A size, or a whole percentage of `total`. Throws bad-request with LXD's text; '' is 0. */
export function parseBytesOf(text: string, total: number): number {
  const percent = parsePercent(text)
  return percent === undefined ? parseBytes(text) : Math.floor((total * percent) / 100)
}

/** `50%` → 50; what does not end in `%` → undefined. Throws bad-request for other text before the `%`. */
export function parsePercent(text: string): number | undefined {
  if (!text.endsWith('%')) return undefined
  if (!/^[0-9]{1,9}%$/.test(text)) throw badRequest(`Invalid value: ${text}`)
  return Number(text.slice(0, -1))
}
