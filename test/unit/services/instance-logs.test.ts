import { expect, test } from 'vitest'
import type { Engine } from '../../../src/core/engine.ts'
import { outputLog } from '../../../src/core/kept-files.ts'
import { SERVER } from '../../../src/services/caller.ts'
import { createInstanceLogs, type InstanceLogsDeps } from '../../../src/services/instance-logs.ts'
import type { InstanceView } from '../../../src/services/instance-views.ts'
import { instance } from '../../ports/samples.ts'
import { absent } from '../../support/absent.ts'

test('a log that is just being read is not said to be deleted', async () => {
  const record = instance()
  const operation = '01940000-0000-7000-8000-000000000001'
  const volumes = absent<Engine['volumes']>('volumes', {
    inspect: (async (name: string) => ({
      name,
      own: { role: 'output', uuid: record.uuid },
    })) as unknown as Engine['volumes']['inspect'], // all that is read
    remove: async () => 'in-use',
  })
  const logs = createInstanceLogs(
    absent<InstanceLogsDeps>('deps', {
      views: { get: async () => ({ record }) as InstanceView }, // all that is read
      engines: new Map([['local', absent<Engine>('engine', { volumes })]]),
    }),
  )
  await expect(
    logs.remove(SERVER, { project: 'default', name: 'c1' }, outputLog(operation, 'stdout')),
  ).rejects.toMatchObject({ code: 'conflict' })
})
