/** What every implementation of the engine port must do; run it on whatever engine is there. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { containerCases } from './engine-containers.suite.ts'
import { execCases } from './engine-execs.suite.ts'
import { fileWorkCases } from './engine-file-work.suite.ts'
import { fileCases } from './engine-files.suite.ts'
import { imageCases } from './engine-images.suite.ts'
import { type EngineUnderTest, makeKit } from './engine-kit.ts'
import { storageCases } from './engine-storage.suite.ts'

/** One run of the suite. Everything it makes carries labels of a project of its own, by which it is removed. */
export function engineSuite(title: string, open: () => Promise<EngineUnderTest>): void {
  describe(`engine port: ${title}`, () => {
    const kit = makeKit(open)
    beforeAll(kit.open)
    afterAll(kit.close)

    test('tells what it is and answers a ping', async () => {
      await kit.engine.ping()
      const info = await kit.engine.info()
      expect(info.apiVersion).toMatch(/^1\.\d+$/)
      expect(info.cpus).toBeGreaterThan(0)
      expect(info.memoryBytes).toBeGreaterThan(0)
      expect(info.version).not.toBe('')
    })

    containerCases(kit)
    imageCases(kit)
    storageCases(kit)
    fileCases(kit)
    fileWorkCases(kit)
    execCases(kit)
  })
}
