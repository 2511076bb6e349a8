/** Prometheus metrics: LXD's names for instances, our own for the queue and the operations. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { InstanceState } from '../../contract/instance.ts'
import type { Caller } from '../../services/caller.ts'
import type { Instances } from '../../services/instances.ts'
import type { Server, ServerFigures } from '../../services/server.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'

interface Measured {
  name: string
  project: string
  state: InstanceState
  /** Bytes it may use at most: its limit, or all the machine has. */
  memory: number | undefined
}

interface MetricsDeps {
  server: Server
  instances: Pick<Instances, 'list' | 'states' | 'measured'>
}

export function metricRoutes(app: App, { server, instances }: MetricsDeps): void {
  const ours = new Registry()
  collectDefaultMetrics({ register: ours, prefix: 'windlass_' })
  app.addHook('onClose', async () => ours.clear())

  const schema = {
    operationId: 'getMetrics',
    summary: 'Read figures for Prometheus',
    tags: ['server'],
    produces: ['text/plain'],
    response: {
      200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: { type: 'string' } } } },
    },
  }
  app.get('/1.0/metrics', { schema }, async (request, reply) => {
    const caller = callerOf(request)
    const [figures, measured] = await Promise.all([server.figures(), measure(instances, caller)])
    const registry = new Registry()
    addInstances(registry, measured)
    // The server's own figures are for those who are bound to no project.
    if (caller.projects === null) addServer(registry, figures)
    const text = (await registry.metrics()) + (caller.projects === null ? await ours.metrics() : '')
    return reply.type('text/plain; version=0.0.4; charset=utf-8').serializer(String).send(text)
  })
}

/** Of all instances the caller may see and that run, as in LXD; figures are at most ten seconds old. */
async function measure(instances: MetricsDeps['instances'], caller: Caller): Promise<Measured[]> {
  const views = (await instances.list(caller, undefined)).filter(({ status }) => status.code !== 102)
  const states = await instances.states(views)
  return views.flatMap((view) => {
    const { uuid, name, project } = view.record
    const state = states.get(uuid)
    return state === undefined ? [] : [{ name, project, state, memory: instances.measured(view)?.memoryLimitBytes }]
  })
}

type Labels = Record<string, string>

/** One sample of a metric of this name, which is made at its first. */
function put(
  registry: Registry,
  name: string,
  help: string,
  { labels = {}, value }: { labels?: Labels; value: number },
) {
  const known = registry.getSingleMetric(name)
  const described = { name, help, labelNames: Object.keys(labels), registers: [registry] }
  if (COUNTED.test(name)) (known instanceof Counter ? known : new Counter(described)).inc(labels, value)
  else (known instanceof Gauge ? known : new Gauge(described)).set(labels, value)
}

/** What only ever grows. LXD's other names on `_total` are of figures that fall as well. */
const COUNTED = /^(lxd_cpu_seconds|lxd_network_\w+|windlass_operations_ended)_total$/

function addServer(registry: Registry, { operations, queue, warnings }: ServerFigures): void {
  put(registry, 'lxd_operations_total', 'Operations that have not ended', {
    value: operations.pending + operations.running,
  })
  put(registry, 'lxd_warnings_total', 'Warnings that are not resolved', { value: warnings })
  put(registry, 'lxd_uptime_seconds', 'Seconds since this process started', { value: Math.floor(process.uptime()) })
  for (const state of ['pending', 'running'] as const)
    put(registry, 'windlass_operations', 'Operations that have not ended, by state', {
      labels: { state },
      value: operations[state],
    })
  for (const { kind, state, count } of operations.ended)
    put(registry, 'windlass_operations_ended_total', 'Operations that have ended', {
      labels: { kind, state },
      value: count,
    })
  const { member } = queue
  for (const state of ['waiting', 'active'] as const)
    put(registry, 'windlass_queue_jobs', 'Jobs in the queue of a member', {
      labels: { member, state },
      value: queue[state],
    })
  put(registry, 'windlass_workers', 'Workers that serve a member', { labels: { member }, value: queue.workers })
}

function addInstances(registry: Registry, measured: Measured[]): void {
  for (const { name, project, state, memory } of measured) {
    const labels = { name, project, type: 'container' }
    const add = (metric: string, help: string, value: number) => put(registry, metric, help, { labels, value })
    add('lxd_cpu_seconds_total', 'CPU time used, seconds', state.cpu.usage / 1e9)
    if (memory !== undefined) {
      add('lxd_memory_MemTotal_bytes', 'Memory that may be used', memory)
      add('lxd_memory_MemFree_bytes', 'Memory that may be used and is not', Math.max(memory - state.memory.usage, 0))
    }
    add('lxd_memory_RSS_bytes', 'Memory in use', state.memory.usage)
    add('lxd_memory_Swap_bytes', 'Swap in use', state.memory.swap_usage)
    add('lxd_procs_total', 'Processes', Math.max(state.processes, 0))
    addNetworks(registry, labels, state)
  }
}

const DIRECTIONS = [
  ['receive_bytes', 'bytes_received'],
  ['receive_packets', 'packets_received'],
  ['receive_errs', 'errors_received'],
  ['receive_drop', 'packets_dropped_inbound'],
  ['transmit_bytes', 'bytes_sent'],
  ['transmit_packets', 'packets_sent'],
  ['transmit_errs', 'errors_sent'],
  ['transmit_drop', 'packets_dropped_outbound'],
] as const

function addNetworks(registry: Registry, labels: Labels, state: InstanceState): void {
  for (const [device, network] of Object.entries(state.network ?? {}))
    for (const [metric, counter] of DIRECTIONS)
      put(registry, `lxd_network_${metric}_total`, `Network: ${counter.replaceAll('_', ' ')}`, {
        labels: { device, ...labels },
        value: network.counters[counter],
      })
}
