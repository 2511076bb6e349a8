import { afterAll, beforeAll, describe } from 'vitest'
import { recordStoreSuite } from './record-store.suite.ts'
import { startDeployments, type TestDeployments } from './redis-deployment.ts'

let deployments: TestDeployments
beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments[Symbol.asyncDispose]())

describe('the Redis record store', () => {
  recordStoreSuite(() => deployments.stores())
})
