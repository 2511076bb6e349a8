import type { Config } from '../contract/common.ts'
import { prefixed } from './expand.ts'

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * The environment of a process run in an instance, as LXD merges it: the request's, over the config's `environment.*`,
 * over defaults (HOME and USER only for root). A PATH or LANG of the container itself counts before the default,
 * since programs of Docker images often live outside LXD's PATH.
 */
export function execEnvironment(given: {
  config: Config
  request: Config
  user: number
  container?: Record<string, string> | undefined
}): Record<string, string> {
  const { config, request, user, container = {} } = given
  const root = user === 0 ? { HOME: '/root', USER: 'root' } : {}
  return {
    PATH: container['PATH'] ?? DEFAULT_PATH,
    ...root,
    LANG: container['LANG'] ?? 'C.UTF-8',
    ...prefixed(config, 'environment.'),
    ...request,
  }
}

/** Where the process starts: what was asked for, else its home, else the root. */
export function execDirectory(cwd: string, environment: Record<string, string>): string {
  if (cwd !== '') return cwd
  const home = environment['HOME']
  return home === undefined || home === '' ? '/' : home
}
