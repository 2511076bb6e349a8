import { Readable } from 'node:stream'
import { createDockerEngine } from '../../src/engine/docker/connect.ts'
import { sharedEngine } from '../support/shared-engine.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { engineSuite } from './engine.suite.ts'

const tools = async () => Readable.from([await tinyImageTar()])

engineSuite('a real Docker Engine', async () => {
  const { dockerHost, image } = await sharedEngine()
  const deployment = 'suite'
  const engine = createDockerEngine({ member: 'test', deployment, dockerHost, tools })
  return { engine, deployment, image, rootfs: tinyImageTar, close: () => engine.close() }
})
