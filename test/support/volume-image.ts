import { request } from 'node:http'
import { starterImageChanges } from '../../src/setup/starter-image.ts'
import { askEngine } from './ask-engine.ts'
import { tinyImageTar } from './tiny-image.ts'

const NAME = 'windlass-test/volume:1'

/** The tiny image with a `VOLUME /data`, as `docker save` writes it. The engine forgets it again. */
export async function volumeImageTar(socket: string): Promise<Buffer> {
  const changes = [...starterImageChanges, 'VOLUME /data'].map((line) => `changes=${encodeURIComponent(line)}`)
  const [repo, tag] = NAME.split(':')
  const path = `/images/create?fromSrc=-&repo=${repo}&tag=${tag}&${changes.join('&')}`
  const imported = await askEngine(socket, 'POST', path, await tinyImageTar())
  if (imported.status !== 200) throw new Error(`Importing the image failed: ${imported.text}`)
  const tar = await save(socket)
  await askEngine(socket, 'DELETE', `/images/${NAME}`)
  return tar
}

function save(socketPath: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: `/images/${NAME}/get`, agent: false }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => resolve(Buffer.concat(chunks)))
    })
    sent.on('error', reject)
    sent.end()
  })
}
