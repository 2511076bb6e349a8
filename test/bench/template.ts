/** The body with which yardsticks make containers: that of an instance made by the server, read back from the engine. */
import type { Call } from './engine-calls.ts'
import type { BodyFor } from './yardsticks.ts'

interface Endpoint {
  IPAMConfig: object | null
  Aliases: string[] | null
}

interface Inspected {
  Image: string
  Config: { Labels: Record<string, string> }
  HostConfig: object
  NetworkSettings: { Networks: Record<string, Endpoint> }
}

export interface Template {
  /** The engine's id of the image. */
  image: string
  /** A body for containers with an address of their own: the number tells them apart. */
  body(number: number): BodyFor
}

/** Reads the container of the only instance there is. */
export async function readTemplate(call: Call): Promise<Template> {
  const filters = JSON.stringify({ label: ['windlass.role=instance'] })
  const [instance] = await call<{ Id: string }[]>('GET', '/containers/json', { query: { all: true, filters } })
  if (instance === undefined) throw new Error('The engine has no container of an instance')
  const read = await call<Inspected>('GET', `/containers/${instance.Id}/json`)
  const [[network, endpoint] = ['none', undefined]] = Object.entries(read.NetworkSettings.Networks)
  const prefix = await prefixOf(call, network)
  const body =
    (number: number): BodyFor =>
    (image) => ({
      ...read.Config,
      Image: image,
      Labels: foreignLabels(read.Config.Labels),
      MacAddress: `02:42:0a:ff:ff:${(number + 16).toString(16)}`,
      HostConfig: read.HostConfig,
      NetworkingConfig: {
        EndpointsConfig: {
          [network]: { Aliases: endpoint?.Aliases, IPAMConfig: { IPv4Address: `${prefix}.${number}` } },
        },
      },
    })
  return { image: read.Image, body }
}

/** The first three numbers of addresses the server does not come to in a run: it gives them from the lowest up. */
async function prefixOf(call: Call, network: string): Promise<string> {
  const { IPAM } = await call<{ IPAM: { Config: { Subnet: string }[] } }>('GET', `/networks/${network}`)
  const [a = '10', b = '0', c = '0'] = (IPAM.Config[0]?.Subnet ?? '').split('.')
  return `${a}.${b}.${Number(c) + 12}`
}

/** As many bytes, but not the server's: what it takes for its own it looks after. */
function foreignLabels(labels: Record<string, string>): Record<string, string> {
  const ours = Object.entries(labels).filter(([key]) => key.startsWith('windlass.'))
  return Object.fromEntries(
    ours.flatMap(([key, value]) => [
      [key, ''],
      [key.replace('windlass.', 'bench.'), value],
    ]),
  )
}
