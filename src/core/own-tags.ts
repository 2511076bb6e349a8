/** The names that images of ours have on an engine: what each is for, and whose it is. */

/** `part`: only while an image is made. `kept`: of a snapshot or image that is gone, for containers made by others. */
export interface OwnTag {
  role: 'snapshot' | 'image' | 'instance' | 'kept' | 'part'
  /** Of the record it belongs to; of a part a word of its own. */
  uuid: string
}

export const snapshotTag = (uuid: string): string => `windlass/snapshot:${uuid}`
export const imageTag = (uuid: string): string => `windlass/image:${uuid}`
export const instanceTag = (uuid: string): string => `windlass/instance:${uuid}`
export const keeperTag = (uuid: string): string => `windlass/kept:${uuid}`

const ROLES = ['snapshot', 'image', 'instance', 'kept', 'part'] as const
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

/** undefined for a name that is none of ours. */
export function parseTag(tag: string): OwnTag | undefined {
  const [, name, uuid] = new RegExp(`^windlass/([a-z]+):(${UUID})`).exec(tag) ?? []
  const role = ROLES.find((one) => one === name)
  return role === undefined || uuid === undefined ? undefined : { role, uuid }
}
