/** F14: everything is restarted in turn by SIGTERM while clients go on. */
import { setTimeout as delay } from 'node:timers/promises'
import { attempt, logsOf, type Line } from '../stage.ts'
import { startTraffic } from '../traffic.ts'

/** What a client may get that comes to a process just ending: another one takes it. */
const ELSEWHERE = /ECONNREFUSED|ENOENT/

export const restarts: Line = {
  name: 'F14',
  what: 'API processes and workers restarted in turn by SIGTERM under 10 clients; p50, p99, max until it has ended',
  minutes: 4,
  run: async ({ bed: open, tally, random, length, mayBegin }) => {
    const bed = await open()
    const traffic = await startTraffic(bed, { clients: length === 'short' ? 3 : 10, sockets: bed.sockets })
    for (let n = 0; n < (length === 'short' ? 3 : 20) && mayBegin(); n++) {
      const which = n % 3
      const restart = async (): Promise<void> => {
        const performer = random.pick([...bed.pool.performers])
        tally.passed(await (which < 2 ? bed.restartApi(which) : bed.pool.renew(performer)))
        await bed.pool.whole()
        await delay(300)
      }
      await attempt(tally, `restart ${n}`, restart, bed)
    }
    await traffic.stop()
    const faults = await traffic.judge()
    for (const { path, answers } of traffic.sent) {
      const odd = answers.filter((one) =>
        typeof one === 'string' ? !ELSEWHERE.test(one) : ![202, 409, 503].includes(one),
      )
      if (odd.length > 0) faults.push(`${path} was answered with ${answers.join(', ')}`)
    }
    tally.note(`${traffic.sent.length} operations`)
    if (faults.length > 0) await tally.failed('clients', { faults: faults.slice(0, 20), logs: logsOf(bed) })
  },
}
