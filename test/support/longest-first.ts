import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take long although most of them are small, which is how vitest orders what it has not run yet. */
const LONG: readonly string[] = [
  'clients/lxc/parity/parity',
  'dialects/hebergos-git',
  'system/outages',
  'ports/engine.docker',
  'system/crash',
  'system/power',
  'clients/lxc-devices',
  'clients/lxc-images',
  'clients/lxc-image-copies',
  'system/crash-refresh',
  'system/compose',
  'system/own-volumes',
  'system/schedules',
  'clients/lxc-backups',
  'system/outside',
  'dialects/hebergos-recorded',
]

/** Starts what takes long first, so that no worker waits for the other one in the end; the others in vitest's order. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- vitest's method, no array's
    const sorted = await super.sort(files)
    return sorted.toSorted((one, other) => placeOf(one) - placeOf(other))
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
  return place === -1 ? LONG.length : place
}
