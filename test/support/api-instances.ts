import { randomUUID } from 'node:crypto'
import type { Services } from '../../src/app.ts'
import type { InstanceState } from '../../src/contract/instance.ts'
import { notFound } from '../../src/core/failure.ts'
import type { Ending, OperationStore } from '../../src/core/ports.ts'
import { mayEnter } from '../../src/services/caller.ts'
import { on } from '../../src/services/instance-operations.ts'
import type { InstanceView } from '../../src/services/instance-views.ts'
import type { Sample } from '../../src/services/sampler.ts'
import { ending, hold, instance, snapshot } from '../ports/samples.ts'
import { absent } from './absent.ts'

const SAMPLE: Sample = {
  at: 0,
  pid: 42,
  cpuNanoseconds: 5e9,
  memoryBytes: 1024,
  memoryLimitBytes: 4096,
  memoryPeakBytes: 2048,
  swapBytes: 0,
  kernelBytes: 0,
  blockBytes: 0,
  processes: 3,
  networks: {},
}
const STATE: InstanceState = {
  status: 'Running',
  status_code: 103,
  disk: {},
  memory: { usage: 1024, usage_peak: 2048, swap_usage: 0, swap_usage_peak: 0 },
  network: null,
  pid: 42,
  processes: 3,
  cpu: { usage: 5_000_000_000 },
}

const view = (project: string, name: string, running: boolean): InstanceView => {
  const record = instance({ project, name, rev: 1, config: { 'image.os': 'busybox' }, profiles: ['default'] })
  return {
    record,
    status: running ? { status: 'Running', code: 103 } : { status: 'Stopped', code: 102 },
    config: { ...record.config, 'limits.cpu': '1' },
    devices: { root: { type: 'disk', path: '/', pool: 'default' } },
    snapshots: name === 'c1' ? [snapshot({ instance: record.uuid, name: 's0', rev: 1 })] : [],
    backups: [],
    profiles: [],
  }
}

/** Three instances in two projects; those that change state only submit their operation. */
export function fakeInstances({ operations }: Pick<Services, 'operations'>): Pick<Services, 'instances' | 'snapshots'> {
  const views = [view('default', 'c1', true), view('default', 'c2', false), view('shop', 'c3', false)]
  const get: Services['instances']['get'] = async (caller, { project, name }) => {
    const found = views.find(({ record }) => record.project === project && record.name === name)
    if (found === undefined || !mayEnter(caller, project)) throw notFound('Instance not found')
    return found
  }
  return {
    instances: absent<Services['instances']>('instances', {
      get,
      list: async (caller, project) =>
        views.filter(
          ({ record }) => mayEnter(caller, record.project) && (project ?? record.project) === record.project,
        ),
      state: async () => STATE,
      states: async (of) =>
        new Map(of.filter(({ status }) => status.code === 103).map(({ record }) => [record.uuid, STATE])),
      measured: () => SAMPLE,
      changeState: async (caller, where) => {
        const { record } = await get(caller, where)
        return operations.submit(caller, on(record, 'instance.start', { instance: record.uuid }))
      },
      patch: async (caller, where) => {
        const { record } = await get(caller, where)
        await operations.perform(caller, on(record, 'instance.start', { instance: record.uuid }))
      },
    }),
    snapshots: absent<Services['snapshots']>('snapshots', {}),
  }
}

/** What a worker would do with an operation, without doing it. */
export async function endOperation(store: OperationStore, id: string, over: Partial<Ending> = {}): Promise<void> {
  const at = Date.now()
  await beginOperation(store, id)
  await store.end(hold(id, { token: id }), ending({ at, ...over }))
}

export async function beginOperation(store: OperationStore, id: string): Promise<void> {
  await store.begin(hold(id, { token: id }), `worker-${randomUUID()}`, Date.now())
}
