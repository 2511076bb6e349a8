import { createHash } from 'node:crypto'
import { callAndWait, callApi } from './api-client.ts'
import { makeBusyboxTar } from './starter-image.ts'

const ALIAS = 'busybox'

/** Brings the starter image into a running server under the alias `busybox`, unless that alias exists. */
export async function publishStarterImage(socket: string, busybox: string): Promise<'made' | 'exists'> {
  const found = await callApi(socket, { method: 'GET', path: `/1.0/images/aliases/${ALIAS}` })
  if (found.status === 200) return 'exists'
  const tar = await makeBusyboxTar(busybox)
  // LXD's fingerprint of an import is the sha256 of what was uploaded.
  const fingerprint = createHash('sha256').update(tar).digest('hex')
  const image = await callApi(socket, { method: 'GET', path: `/1.0/images/${fingerprint}` })
  if (image.status !== 200) {
    const headers = {
      'x-lxd-filename': `${ALIAS}.tar`,
      'x-lxd-properties': 'os=BusyBox&description=BusyBox+starter+image',
    }
    await callAndWait(socket, { method: 'POST', path: '/1.0/images', body: tar, headers })
  }
  const body = { name: ALIAS, target: fingerprint, description: 'BusyBox starter image' }
  await callAndWait(socket, { method: 'POST', path: '/1.0/images/aliases', body })
  return 'made'
}
