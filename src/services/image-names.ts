/** How the dialects name images: by alias, fingerprint, properties, or a reference of a registry. */
import type { InstancesPost } from '../contract/instance.ts'
import { isFailure } from '../core/failure.ts'
import type { Caller } from './caller.ts'
import type { ImageLookup } from './image-lookup.ts'

type Source = NonNullable<InstancesPost['source']>

export type ImageNames = ReturnType<typeof createImageNames>

const PROJECT = 'default'

export function createImageNames({ lookup }: { lookup: Pick<ImageLookup, 'resolve'> }) {
  /** An alias, a fingerprint or a unique prefix of one, else a registry reference. Not-found where it is none of these. */
  async function byName(caller: Caller, name: string): Promise<Source> {
    const choices: Source[] = [
      ...(/^[0-9a-f]{4,64}$/.test(name) ? [{ type: 'image', fingerprint: name }] : []),
      { type: 'image', alias: name },
    ]
    return firstOf(caller, choices)
  }

  /** `os/release`, `os-release`, `os` alone when the release is `latest` or absent, then image properties, then a registry. */
  async function byRelease(caller: Caller, os: string, release: string | undefined): Promise<Source> {
    const isLatest = release === undefined || release === '' || release === 'latest'
    const names = isLatest ? [os] : [`${os}/${release}`, `${os}-${release}`]
    const properties = isLatest ? { os } : { os, release: release ?? '' }
    return firstOf(caller, [
      ...names.map((alias) => ({ type: 'image', alias })),
      { type: 'image', properties },
      { type: 'image', alias: isLatest ? os : `${os}:${release}` },
    ])
  }

  /** The first that leads to an image here; the last one may also lead to a registry. */
  async function firstOf(caller: Caller, choices: Source[]): Promise<Source> {
    for (const [at, choice] of choices.entries()) {
      try {
        const found = await lookup.resolve(caller, PROJECT, choice)
        if (found.type === 'image' || at === choices.length - 1) return choice
      } catch (thrown) {
        if (at === choices.length - 1 || !isFailure(thrown, 'not-found', 'bad-request')) throw thrown
      }
    }
    return choices[0] ?? { type: 'image' }
  }

  return { byName, byRelease }
}
