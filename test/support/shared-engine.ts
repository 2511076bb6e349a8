import { inject } from 'vitest'
import { askEngine } from './ask-engine.ts'
import { attachEngine, type TestEngine } from './engine.ts'
import type { SharedEngineNote } from './global-setup.ts'
import { TINY_IMAGE } from './tiny-image.ts'

/** The run's one engine, with the tiny image in it. */
export interface SharedEngine extends TestEngine {
  /** Reference of the tiny image. */
  readonly image: string
  /** Its id, `sha256:…`. */
  readonly imageId: string
}

/**
 * The engine all test files share; started when the first one asks. Label what you make and remove it; disposing the
 * handle leaves the engine running. To kill an engine start one of your own with `startEngine`.
 */
export async function sharedEngine(): Promise<SharedEngine> {
  const answer = await askEngine(inject('engineBroker'), 'GET', '/')
  if (answer.status !== 200) throw new Error(answer.text)
  const note: SharedEngineNote = JSON.parse(answer.text)
  return { ...attachEngine(note.socket, note.pid), image: TINY_IMAGE, imageId: note.imageId }
}
