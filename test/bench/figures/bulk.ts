/** Many creates at once through the workers, against the script at the concurrency of the workers. */
import { openClient, type BenchClient } from '../client.ts'
import { perSecond, type Row, times } from '../report.ts'
import { timed } from '../statistics.ts'
import { inParallel, type Measured } from '../subject.ts'
import { newInstance } from '../tiny.ts'
import { readTemplate } from '../template.ts'
import { sameCalls } from '../yardsticks.ts'

const MANY = 200
/** Two workers with the default of eight operations each. */
const WIDTH = 16
const TURNS = 3
/** Turns that do not count: servers run for long, and the first hundreds meet much code that has not been compiled. */
const WARM_UP = 2

/** Rates of creating, in turns of the server and the script; all is removed after each turn. */
export async function measureBulk(measured: Measured): Promise<Row[]> {
  const { engine, operate } = measured
  await operate('POST', '/1.0/instances', newInstance('template'))
  const template = await readTemplate(engine)
  const script = sameCalls(engine, template.image, template.body(1))
  const clients = await Promise.all(Array.from({ length: MANY }, () => openClient(measured.windlass.socket)))
  let took = { windlass: 0, script: 0, removal: 0 }
  for (let turn = 0; turn < WARM_UP + TURNS; turn++) {
    if (turn === WARM_UP) took = { windlass: 0, script: 0, removal: 0 }
    const names = Array.from({ length: MANY }, (_, at) => `bulk-${turn}-${at}`)
    took.windlass += await timed(() =>
      all(clients, (client, at) => operate('POST', '/1.0/instances', newInstance(names[at] ?? ''), client)),
    )
    took.removal += await timed(() =>
      all(clients, (client, at) => operate('DELETE', `/1.0/instances/${names[at] ?? ''}`, undefined, client)),
    )
    const made: string[] = []
    took.script += await timed(() =>
      inParallel(names, WIDTH, async (name) => void made.push((await script.create(`script-${name}`)).id)),
    )
    await inParallel(made, WIDTH, async (id) => void (await engine('DELETE', `/containers/${id}`)))
  }
  for (const client of clients) client.close()
  await operate('DELETE', '/1.0/instances/template')
  const rate = (milliseconds: number): number => (TURNS * MANY * 1000) / milliseconds
  return [
    {
      figure: `${MANY} creates at once, 2 workers`,
      windlass: `${perSecond(rate(took.windlass))} (deletes ${perSecond(rate(took.removal))})`,
      yardstick: `${perSecond(rate(took.script))} the same engine calls, ${WIDTH} at a time`,
      result: times(rate(took.windlass) / rate(took.script)),
      target: '≥ × 0.80',
      lxd: '15/s, one after the other',
    },
  ]
}

async function all(clients: readonly BenchClient[], work: (client: BenchClient, at: number) => Promise<unknown>) {
  await Promise.all(clients.map(work))
}
