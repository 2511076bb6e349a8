/** Bridge networks. */
import type { NetworkDetail, Networks } from '../../core/engine.ts'
import { conflict } from '../../core/failure.ts'
import { refusal, says } from './errors.ts'
import { toDockerLabels } from './labels.ts'
import { BRIDGE_NAME, toNetworkDetail } from './normalize.ts'
import { fields, list, required } from './read.ts'
import { change, type Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** The engine's own bridge, which older engines do not name in its options. */
const DEFAULT_BRIDGE = 'docker0'
const MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade'
/** The networks of one engine. */
export function createNetworks(wire: Wire): Networks {
  const all = async (signal?: AbortSignal): Promise<NetworkDetail[]> => {
    const { body } = await wire.ask({ doing: 'listing networks', method: 'GET', path: '/networks', signal })
    return list(body).map((one) => toNetworkDetail(one, wire.deployment))
  }
  return {
    list: all,
    create: async (spec, signal) => {
      const doing = `creating network ${spec.name}`
      const known = await all(signal)
      // Older engines accept a second network of the same name, and destroy a bridge whose name is given again.
      if (known.some((one) => one.name === spec.name)) throw conflict(`The network ${spec.name} already exists`)
      const holder = spec.bridge === DEFAULT_BRIDGE ? 'bridge' : known.find((one) => one.bridge === spec.bridge)?.name
      if (holder !== undefined) throw conflict(`The bridge ${spec.bridge} belongs to network ${holder}`)
      const body = {
        Name: spec.name,
        CheckDuplicate: true,
        Driver: 'bridge',
        IPAM: { Config: [{ Subnet: spec.subnet, Gateway: spec.gateway, IPRange: spec.foreignRange }] },
        Options: { [BRIDGE_NAME]: spec.bridge, [MASQUERADE]: String(spec.nat ?? true) },
        Labels: toDockerLabels(spec.labels),
      }
      const answer = await wire.ask({ ...change(wire, doing, signal), path: '/networks/create', body })
      return required(fields(answer.body).Id, "the new network's id")
    },
    inspect: async (reference, signal) => {
      // By way of the list: a look-up takes beginnings of ids and fails on a name that two networks have.
      const found = (await all(signal)).find((one) => one.id === reference || one.name === reference)
      if (found === undefined) return undefined
      const path = route`/networks/${found.id}`
      const answer = await wire.ask({
        doing: `reading network ${reference}`,
        method: 'GET',
        path,
        signal,
        expect: [404],
      })
      return answer.status === 404 ? undefined : toNetworkDetail(answer.body, wire.deployment)
    },
    remove: async (id, signal) => {
      const doing = `removing network ${id}`
      const request = { ...change(wire, doing, signal), method: 'DELETE', path: route`/networks/${id}` } as const
      const answer = await wire.ask({ ...request, expect: [403, 404, 409] })
      if (answer.status === 404) return 'missing'
      if (answer.status < 300) return 'removed'
      if (says(answer.words, 'active endpoints', 'in use')) return 'in-use'
      throw refusal(doing, answer.status, answer.words)
    },
  }
}
