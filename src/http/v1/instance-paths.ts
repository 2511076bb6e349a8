import { Type } from 'typebox'
import { badRequest } from '../../core/failure.ts'
import type { Caller } from '../../services/caller.ts'
import type { Where } from '../../services/instance-views.ts'
import { projectOf } from '../caller.ts'

/** LXD's name for instances, and the one it had before. */
export type InstanceRoot = 'instances' | 'containers'

export const InstanceParams = Type.Object({ name: Type.String({ examples: ['c1'] }) })
export const SnapshotParams = Type.Object({
  name: Type.String({ examples: ['c1'] }),
  snapshot: Type.String({ examples: ['s0'] }),
})

export const BackupParams = Type.Object({
  name: Type.String({ examples: ['c1'] }),
  backup: Type.String({ examples: ['backup0'] }),
})

/** What a route is called in the document; under the old root it is deprecated and called after that. */
export function wordsFor(root: InstanceRoot, operationId: string, summary: string, tag = 'instances') {
  const isOld = root === 'containers'
  return {
    operationId: isOld ? `${operationId}OldName`.replace('Instance', 'Container') : operationId,
    summary,
    tags: [tag],
    deprecated: isOld,
  }
}

interface AboutInstance {
  params: { name: string }
  query: { project?: string }
  visitor: Caller | undefined
}

/** The instance a request is about. */
export function whereOf(request: AboutInstance): Where {
  const { name } = request.params
  // What LXD's client makes of `info c1/s0`.
  if (name.includes('/')) throw badRequest('Invalid instance name')
  return { project: projectOf(request), name }
}
