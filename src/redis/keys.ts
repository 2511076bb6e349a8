/** Where a deployment's data lie in Redis. All keys share one hash tag, so that scripts and BullMQ work on a cluster. */
export interface Keys {
  /** `{wl:<deployment>}:`, the first key given to every script. */
  readonly prefix: string
  /** BullMQ's prefix. */
  readonly bull: string
  key(...parts: string[]): string
}

export function makeKeys(deployment: string): Keys {
  const prefix = `{wl:${deployment}}:`
  return { prefix, bull: `${prefix}bull`, key: (...parts) => prefix + parts.join(':') }
}
