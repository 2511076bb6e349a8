/** The trust password: only a slow hash of it is kept, as `scrypt:<salt>:<hash>`. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { tooMany } from '../core/failure.ts'

const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }
const LENGTH = 32

/** One at a time, and not many in line: whoever sends many gets none of the other requests' time. */
let last: Promise<unknown> = Promise.resolve()
let waiting = 0
const LINE = 20

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  return `scrypt:${salt.toString('base64url')}:${(await derive(password, salt)).toString('base64url')}`
}

export async function isPassword(password: string, hashed: string): Promise<boolean> {
  const [scheme, salt = '', hash = ''] = hashed.split(':')
  if (scheme !== 'scrypt') return false
  const expected = Buffer.from(hash, 'base64url')
  const found = await derive(password, Buffer.from(salt, 'base64url'))
  return expected.length === found.length && timingSafeEqual(expected, found)
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  if (waiting >= LINE) throw tooMany('Too many passwords at once', { retryAfter: 2 })
  waiting += 1
  const derived = last.then(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        scrypt(password, salt, LENGTH, COST, (error, key) => (error === null ? resolve(key) : reject(error)))
      }),
  )
  last = derived.catch(() => undefined).finally(() => (waiting -= 1))
  return derived
}
