import { afterAll, beforeAll, describe } from 'vitest'
import { operationCourseSuite } from './operation-course.suite.ts'
import { operationListsSuite } from './operation-lists.suite.ts'
import { operationStoreSuite } from './operation-store.suite.ts'
import { startDeployments, type TestDeployments } from './redis-deployment.ts'

let deployments: TestDeployments
beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments[Symbol.asyncDispose]())

describe('the Redis operation store', () => {
  operationStoreSuite(() => deployments.stores())
  operationCourseSuite(() => deployments.stores())
  operationListsSuite(() => deployments.stores())
})
