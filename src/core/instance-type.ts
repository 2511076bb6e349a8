import type { Config } from '../contract/common.ts'
import { badRequest } from './failure.ts'

/**
 * LXD's sizes in words, `c2-m4`: processors and GiB of memory, whole or not → the limits they stand for. The names of
 * the clouds' sizes are a list that LXD loads from the network; they do not exist here. Throws bad-request.
 */
export function limitsOfType(name: string): Config {
  if (name === '') return {}
  const fields = name.split('-').map((field) => /^([cm])([0-9]+(?:\.[0-9]+)?)$/.exec(field))
  if (fields.some((field) => field === null)) throw badRequest(`Provided instance type doesn't exist: ${name}`)
  return Object.assign({}, ...fields.map((field) => limitOf(field?.[1] ?? '', Number(field?.[2] ?? 0))))
}

function limitOf(letter: string, amount: number): Config {
  if (amount === 0) return {}
  if (letter === 'm') return { 'limits.memory': `${Math.trunc(amount * 1024)}MB` }
  const processors = Math.ceil(amount)
  const share = Math.trunc((amount / processors) * 100)
  return { 'limits.cpu': String(processors), ...(share < 100 && { 'limits.cpu.allowance': `${share}%` }) }
}
