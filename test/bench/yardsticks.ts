/**
 * What each operation costs without Windlass: the engine calls that its handler makes (workers/handlers), in the same
 * order, one after the other, with nothing recorded and nothing queued. `npm run bench -- --only calls` compares these
 * lists with what the workers really send.
 */
import type { Call } from './engine-calls.ts'

/** A container made by a yardstick. */
export interface Subject {
  id: string
  image: string
  /** Of the snapshot, once there is one. */
  snapshot: string
}

export interface Yardsticks {
  create(name: string): Promise<Subject>
  start(subject: Subject): Promise<void>
  stop(subject: Subject): Promise<void>
  snapshot(subject: Subject, tag: string): Promise<void>
  restore(subject: Subject, name: string): Promise<void>
  copy(subject: Subject, name: string): Promise<Subject>
}

/** What the containers are made from: the body of an instance that Windlass made. */
export type BodyFor = (image: string) => object

interface Created {
  Id: string
}

/** The same calls in the same order as the handlers. */
export function sameCalls(call: Call, image: string, body: BodyFor): Yardsticks {
  return {
    create: async (name) => {
      await call('GET', `/images/${image}/json`)
      const { Id: id } = await call<Created>('POST', '/containers/create', {
        query: { name: `op-${name}` },
        body: body(image),
      })
      await call('POST', `/containers/${id}/rename`, { query: { name } })
      await call('GET', `/containers/${id}/json`)
      return { id, image, snapshot: '' }
    },
    start: async ({ id }) => {
      await call('POST', `/containers/${id}/start`)
      await call('GET', `/containers/${id}/json`)
    },
    stop: async ({ id }) => {
      await call('GET', `/containers/${id}/json`)
      await call('POST', `/containers/${id}/kill`, { query: { signal: 'SIGKILL' } })
      await call('POST', `/containers/${id}/wait`, { query: { condition: 'not-running' } })
      await call('GET', `/containers/${id}/json`)
    },
    snapshot: async (subject, tag) => {
      await call('GET', `/containers/${subject.id}/json`)
      subject.snapshot = await commit(call, subject, `bench/snapshot:${tag}`)
    },
    restore: async (subject, name) => {
      const old = subject.id
      await call('GET', `/containers/${old}/json`)
      await call('GET', `/images/${subject.snapshot}/json`)
      const { Id: id } = await call<Created>('POST', '/containers/create', {
        query: { name: `op-${name}` },
        body: body(subject.snapshot),
      })
      await call('POST', `/containers/${old}/rename`, { query: { name: `op-${name}-old` } })
      await call('POST', `/containers/${id}/rename`, { query: { name } })
      await call('GET', `/containers/${id}/json`)
      await call('GET', `/containers/${old}/json`)
      await call('DELETE', `/containers/${old}`, { query: { force: true, v: false } })
      await call('GET', `/images/${subject.image}/json`)
      Object.assign(subject, { id, image: subject.snapshot })
    },
    copy: async (subject, name) => {
      await call('GET', `/containers/${subject.id}/json`)
      const made = await commit(call, subject, `bench/instance:${name}`)
      await call('GET', `/images/${made}/json`)
      const { Id: id } = await call<Created>('POST', '/containers/create', {
        query: { name: `op-${name}` },
        body: body(made),
      })
      await call('POST', `/containers/${id}/rename`, { query: { name } })
      await call('GET', `/containers/${id}/json`)
      return { id, image: made, snapshot: '' }
    },
  }
}

/** A commit as the engine adapter makes it: it looks at the container and at its image. */
async function commit(call: Call, subject: Subject, tag: string): Promise<string> {
  const [repo = '', name = ''] = tag.split(':')
  await call('GET', `/containers/${subject.id}/json`)
  await call('GET', `/images/${subject.image}/json`)
  const query = { container: subject.id, repo, tag: name, pause: false }
  const { Id: made } = await call<Created>('POST', '/commit', { query, body: { Labels: { 'bench.uuid': tag } } })
  return made
}

/** The fewest calls with the same result, for somebody who needs no retry, no undo and no look at what came out. */
export function fewestCalls(call: Call, image: string, body: BodyFor): Yardsticks {
  const create = async (from: string, name: string): Promise<Subject> => {
    const { Id: id } = await call<Created>('POST', '/containers/create', { query: { name }, body: body(from) })
    return { id, image: from, snapshot: '' }
  }
  const commitOnly = async ({ id }: Subject, query: Record<string, string>): Promise<string> =>
    (await call<Created>('POST', '/commit', { query: { container: id, pause: false, ...query } })).Id
  return {
    create: (name) => create(image, name),
    start: async ({ id }) => {
      await call('POST', `/containers/${id}/start`)
    },
    stop: async ({ id }) => {
      await call('POST', `/containers/${id}/kill`)
      await call('POST', `/containers/${id}/wait`)
    },
    snapshot: async (subject, tag) => {
      subject.snapshot = await commitOnly(subject, { repo: 'bench/snapshot', tag })
    },
    restore: async (subject, name) => {
      const next = await create(subject.snapshot, `${name}-next`)
      await call('DELETE', `/containers/${subject.id}`)
      await call('POST', `/containers/${next.id}/rename`, { query: { name } })
      Object.assign(subject, { id: next.id, image: subject.snapshot })
    },
    copy: async (subject, name) => create(await commitOnly(subject, {}), name),
  }
}
