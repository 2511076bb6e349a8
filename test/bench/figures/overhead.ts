/** What an operation costs on top of its engine calls, kind by kind. */
import { type BenchClient, openClient } from '../client.ts'
import { difference, ms, ofLxd, type Row } from '../report.ts'
import { median, medianDifference, quantile, timed } from '../statistics.ts'
import { inParallel, type Measured, type Timing } from '../subject.ts'
import { newInstance } from '../tiny.ts'
import { readTemplate } from '../template.ts'
import { fewestCalls, sameCalls, type Subject, type Yardsticks } from '../yardsticks.ts'

const KINDS = ['create', 'start', 'stop', 'snapshot', 'restore', 'copy'] as const
type Kind = (typeof KINDS)[number]

/** Lives of instances before anything is measured. */
const WARM_UP = { lives: 48, atOnce: 8 }

/** With LXD's milliseconds as they were recorded. */
const LABELS: Record<Kind, { figure: string; recorded: number }> = {
  create: { figure: 'create, stopped', recorded: 55 },
  start: { figure: 'start', recorded: 205 },
  stop: { figure: 'stop --force', recorded: 729 },
  snapshot: { figure: 'snapshot, stopped', recorded: 131 },
  restore: { figure: 'restore, stopped', recorded: 72 },
  copy: { figure: 'copy, stopped', recorded: 112 },
}

interface Samples {
  windlass: Timing[]
  same: number[]
  fewest: number[]
  lxd: number[]
}

type Taken = { [K in Exclude<keyof Samples, 'windlass'>]: number } & { windlass: Timing }

interface Scripts {
  same: Yardsticks
  fewest: Yardsticks
}

/** All operations that were measured, for the figure of the POST alone. */
export interface OverheadResult {
  rows: Row[]
  accepted: number[]
  /** A finished operation's URL. */
  url: string
}

/** So many rounds; in each one every kind once by all contestants, in turns. */
export async function measureOverhead(measured: Measured, runs: number): Promise<OverheadResult> {
  const { operate, engine } = measured
  await operate('POST', '/1.0/instances', newInstance('template'))
  const template = await readTemplate(engine)
  const scripts = {
    same: sameCalls(engine, template.image, template.body(1)),
    fewest: fewestCalls(engine, template.image, template.body(2)),
  }
  await operate('DELETE', '/1.0/instances/template')
  await warmUp(measured)
  const all = new Map<Kind, Samples>(KINDS.map((kind) => [kind, { windlass: [], same: [], fewest: [], lxd: [] }]))
  const lxd = measured.lxd && (await openClient(measured.lxd.socket))
  // The first round warms up the scripts and is not counted.
  for (let run = -1; run < runs; run++) {
    const round = new Round(measured, { scripts, lxd }, run)
    for (const kind of KINDS) {
      const taken = await round.measure(kind)
      if (run < 0) continue
      const samples = all.get(kind)
      samples?.windlass.push(taken.windlass)
      samples?.same.push(taken.same)
      samples?.fewest.push(taken.fewest)
      samples?.lxd.push(taken.lxd)
    }
    await round.tidy()
  }
  lxd?.close()
  const timings = [...all.values()].flatMap(({ windlass }) => windlass)
  return {
    rows: [...all].map(([kind, samples]) => toRow(kind, samples, lxd !== undefined)),
    accepted: timings.map(({ accepted }) => accepted),
    url: timings.at(-1)?.url ?? '',
  }
}

function toRow(kind: Kind, { windlass, same, fewest, lxd }: Samples, hasLxd: boolean): Row {
  const done = windlass.map((timing) => timing.done)
  const { figure, recorded } = LABELS[kind]
  return {
    figure: `${figure}: POST to done, p50 (n = ${done.length})`,
    windlass: `${ms(median(done))}, p99 ${ms(quantile(done, 0.99))}`,
    yardstick: `${ms(median(same))} the same engine calls; ${ms(median(fewest))} the fewest`,
    result: difference(medianDifference(done, same)),
    target: '≤ +6 ms',
    lxd: ofLxd(hasLxd ? lxd : undefined, recorded),
  }
}

/** Servers run for long: without this, most of what is measured would be code that runs for the first time. */
async function warmUp({ operate, windlass }: Measured): Promise<void> {
  const names = Array.from({ length: WARM_UP.lives }, (_, at) => `warm-${at}`)
  const clients = await Promise.all(Array.from({ length: WARM_UP.atOnce }, () => openClient(windlass.socket)))
  await inParallel(names, clients.length, async (name) => {
    const client = clients.pop() ?? (await openClient(windlass.socket))
    for (const kind of KINDS) await operate(...requestOf(kind, name), client)
    for (const made of [`${name}-copy`, name]) await operate('DELETE', `/1.0/instances/${made}`, undefined, client)
    clients.push(client)
  })
  for (const client of clients) client.close()
}

function requestOf(kind: Kind, name: string): [method: string, path: string, body: object] {
  const path = `/1.0/instances/${name}`
  switch (kind) {
    case 'create':
      return ['POST', '/1.0/instances', newInstance(name)]
    case 'start':
      return ['PUT', `${path}/state`, { action: 'start', timeout: 30 }]
    case 'stop':
      return ['PUT', `${path}/state`, { action: 'stop', force: true, timeout: 30 }]
    case 'snapshot':
      return ['POST', `${path}/snapshots`, { name: 's0' }]
    case 'restore':
      return ['PUT', path, { restore: 's0' }]
    case 'copy': {
      const source = { type: 'copy', source: name, instance_only: true }
      // Without profiles a copy of LXD's has no root disk.
      return ['POST', '/1.0/instances', { name: `${name}-copy`, source, profiles: ['default'] }]
    }
  }
}

/** One life of an instance of each contestant. */
class Round {
  readonly #measured: Measured
  readonly #scripts: Scripts
  readonly #lxd: BenchClient | undefined
  readonly #run: number
  readonly #name: string
  readonly #subjects = { same: empty(), fewest: empty() }
  readonly #copies: Subject[] = []

  constructor(measured: Measured, { scripts, lxd }: { scripts: Scripts; lxd: BenchClient | undefined }, run: number) {
    this.#measured = measured
    this.#scripts = scripts
    this.#lxd = lxd
    this.#run = run + 1
    this.#name = `bench-${this.#run}`
  }

  /** Each of them is the first in every third round; LXD, which shares no engine with them, comes after. */
  async measure(kind: Kind): Promise<Taken> {
    let windlass: Timing = { accepted: 0, done: 0, url: '' }
    const took = { same: 0, fewest: 0, lxd: 0 }
    const contestants = [
      async () => void (windlass = await this.#windlass(kind)),
      async () => void (took.same = await timed(() => this.#script(kind, 'same'))),
      async () => void (took.fewest = await timed(() => this.#script(kind, 'fewest'))),
    ]
    for (let at = 0; at < 3; at++) await contestants[(at + this.#run) % 3]?.()
    if (this.#lxd !== undefined)
      took.lxd = (await this.#measured.operate(...requestOf(kind, this.#name), this.#lxd)).done
    return { windlass, ...took }
  }

  #windlass(kind: Kind): Promise<Timing> {
    return this.#measured.operate(...requestOf(kind, this.#name))
  }

  async #script(kind: Kind, which: 'same' | 'fewest'): Promise<void> {
    const script = this.#scripts[which]
    const subject = this.#subjects[which]
    const name = `${which}-${this.#run}`
    if (kind === 'create') Object.assign(subject, await script.create(name))
    else if (kind === 'copy') this.#copies.push(await script.copy(subject, `${name}-copy`))
    else if (kind === 'snapshot') await script.snapshot(subject, name)
    else if (kind === 'restore') await script.restore(subject, name)
    else await script[kind](subject)
  }

  /** Removes all of it, so that each round finds an engine with as much in it as the one before. */
  async tidy(): Promise<void> {
    const { operate, engine } = this.#measured
    for (const name of [`${this.#name}-copy`, this.#name])
      for (const client of [this.#measured.client, ...(this.#lxd === undefined ? [] : [this.#lxd])])
        await operate('DELETE', `/1.0/instances/${name}`, undefined, client)
    const subjects = [this.#subjects.same, this.#subjects.fewest]
    for (const { id } of [...this.#copies, ...subjects]) await engine('DELETE', `/containers/${id}`)
    for (const { image } of this.#copies) await engine('DELETE', `/images/${image}`)
    for (const { snapshot } of subjects) await engine('DELETE', `/images/${snapshot}`)
  }
}

function empty(): Subject {
  return { id: '', image: '', snapshot: '' }
}
