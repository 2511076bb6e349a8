import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Engines whose answers were recorded, by version. */
export const RECORDED = ['20.10.24', '26.1.5', '28.5.2', '28.5.2-containerd-store'] as const

/** What a recorded engine answered, by the name of the recording. */
export function recording(engine: (typeof RECORDED)[number]): Record<string, unknown> {
  const path = fileURLToPath(new URL(`../../fixtures/engines/${engine}.json`, import.meta.url))
  return JSON.parse(readFileSync(path, 'utf8'))
}
