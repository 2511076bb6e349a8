/** Paths under which custom volumes and what belongs to them are found. */
import { Type } from 'typebox'
import type { Caller } from '../../services/caller.ts'
import type { WhereVolume } from '../../services/volume-finder.ts'
import { projectOf } from '../caller.ts'

export const ALL_VOLUMES = '/1.0/storage-pools/:pool/volumes'
export const CUSTOM_VOLUME = `${ALL_VOLUMES}/custom/:name`

export const PoolParams = Type.Object({ pool: Type.String({ examples: ['default'] }) })
export const VolumeParams = Type.Object({ ...PoolParams.properties, name: Type.String({ examples: ['data'] }) })

interface AboutVolume {
  params: { pool: string; name: string }
  query: { project?: string }
  visitor: Caller | undefined
}

/** The custom volume a request is about. */
export function whereOf(request: AboutVolume): WhereVolume {
  const { pool, name } = request.params
  return { pool, name, project: projectOf(request) }
}
