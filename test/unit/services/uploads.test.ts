import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { OperationRecord } from '../../../src/contract/operation-record.ts'
import type { Engine } from '../../../src/core/engine.ts'
import { badRequest } from '../../../src/core/failure.ts'
import { createUploads } from '../../../src/services/uploads.ts'
import { absent } from '../../support/absent.ts'

/** Uploads whose engine keeps them or not, and what is told to the sweep. */
function uploading(putFile: Engine['volumes']['putFile']) {
  const said: string[] = []
  const remove = async (): Promise<'missing'> => (said.push('removed'), 'missing')
  const volumes = absent<Engine['volumes']>('volumes', { putFile, remove })
  const end = async () => void said.push('ended')
  const transfers = { begin: async () => ({ id: 'o1', end, leave: () => void said.push('left') }) }
  const { tarball } = createUploads({ transfers, uploadLimit: 100, deployment: 'd', clock: { uuid: () => 'u1' } })
  const sent = { project: 'default', content: Readable.from([]), signal: undefined }
  const submitted = { id: 'o1' } as OperationRecord // nothing else of it is looked at
  return { said, send: () => tarball(absent<Engine>('engine', { volumes }), sent, async () => submitted) }
}

test('an upload is its operation’s as soon as that is accepted', async () => {
  const { said, send } = uploading(async () => ({ size: 0, sha256: '' }))
  await send()
  expect(said).toEqual(['ended'])
})

test('of one that fails the sweep looks for what the engine makes later', async () => {
  const { said, send } = uploading(() => Promise.reject(badRequest('The upload was broken off')))
  await expect(send()).rejects.toThrow('The upload was broken off')
  expect(said).toEqual(['removed', 'left'])
})
