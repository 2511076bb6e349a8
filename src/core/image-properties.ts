import { badRequest } from './failure.ts'
import type { Config } from '../contract/common.ts'

/** The `X-LXD-properties` header, URL-encoded `k=v&k=v`. Of a key given twice the first counts, as in LXD. */
export function parseImageProperties(header: string | undefined): Config {
  const properties: Config = {}
  for (const [key, value] of new URLSearchParams((header ?? '').trim())) {
    if (key === '') throw badRequest('Invalid image properties: A property has no name')
    if (!Object.hasOwn(properties, key)) properties[key] = value
  }
  return properties
}

/** What a new instance keeps of its image: `image.<property>`. */
export function imageConfig(properties: Config): Config {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [`image.${key}`, value]))
}

/** The way back, for an image published from an instance: the properties its config holds. */
export function imagePropertiesOf(config: Config): Config {
  const own = Object.entries(config).filter(([key]) => key.startsWith('image.'))
  return Object.fromEntries(own.map(([key, value]) => [key.slice('image.'.length), value]))
}
