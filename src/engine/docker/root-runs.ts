/** How a root file system is run that comes without a word about it. */
import type { Boot } from '../../contract/records.ts'
import { bootOf, hasShell, type Survey } from './tarball-format.ts'

export interface RootRuns {
  boot: Boot
  command: string[]
  environment: Record<string, string>
}

type Probed = Pick<Survey, 'probes'>

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** A bare root file system is a system only if systemd is its init: busybox images have an init that nobody means. */
export function runsOfRootfs(survey: Probed, root: string): RootRuns {
  const environment = { PATH }
  if (bootOf(survey, root) === 'systemd') return { boot: 'systemd', command: ['/sbin/init'], environment }
  return { boot: 'application', command: [hasShell(survey, root) ? '/bin/sh' : '/sbin/init'], environment }
}

/** One of LXD's is a system whatever its init is. */
export function runsOfLxd(survey: Probed, root: string): RootRuns {
  const init = bootOf(survey, root)
  const usual = runsOfRootfs(survey, root)
  return init === undefined ? usual : { ...usual, boot: init, command: ['/sbin/init'] }
}
