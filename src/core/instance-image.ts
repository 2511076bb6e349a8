/** What an instance takes over from the image it is made from. */
import type { Config } from '../contract/common.ts'
import type { ImageRecord, InstanceRecord } from '../contract/records.ts'
import { withTrigger } from './guest.ts'
import { imageConfig } from './image-properties.ts'

/** The draft of a new instance with what its image says; what the draft says itself counts more. */
export function madeFrom(draft: InstanceRecord, image: ImageRecord): InstanceRecord {
  const { name, engineImage, boot, architecture, metadata } = image
  const own: Config = { ...imageConfig(image.properties), ...(name === '' ? {} : { 'volatile.base_image': name }) }
  const made = { ...draft, image: name, engineImage, boot, architecture, config: { ...own, ...draft.config } }
  return withTrigger(metadata === undefined ? made : { ...made, metadata }, 'create')
}
