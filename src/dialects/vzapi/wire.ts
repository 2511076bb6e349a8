/** What go-openvz-api receives and answers. */
import { Type, type Static, type TSchema } from 'typebox'

const Message = Type.Literal('success')
const Parameters = Type.Record(Type.String(), Type.String())

const example = {
  id: '54e21881-8620-4bb0-95f1-05f143973a6e',
  name: 'ct100',
  instance: 'ct100',
  ostemplate: 'template1',
  parameters: null,
  ParametersJSON: { String: '', Valid: false },
  created_at: '2020-10-16T15:16:16Z',
}

const NotApplied = Type.Array(Type.String(), { description: 'Parameters that are kept but have no effect.' })

export const Container = Type.Object({
  id: Type.String(),
  name: Type.String(),
  instance: Type.String({ description: "The instance's name in the native API." }),
  ostemplate: Type.String(),
  parameters: Type.Union([Parameters, Type.Null()], { description: 'As the last PATCH gave them.' }),
  ParametersJSON: Type.Object({ String: Type.String(), Valid: Type.Boolean() }),
  not_applied: Type.Optional(NotApplied),
  created_at: Type.String(),
})
export type Container = Static<typeof Container>

export const OneContainer = Type.Object(
  { message: Message, container: Container },
  { description: 'The container.', examples: [{ message: 'success', container: example }] },
)
export const AllContainers = Type.Object(
  { message: Message, containers: Type.Array(Container) },
  { description: 'Containers, the oldest first.', examples: [{ message: 'success', containers: [example] }] },
)

export const Queued = Type.Object(
  { message: Message, job_id: Type.String() },
  {
    description: 'Queued; the job tells when it is done.',
    examples: [{ message: 'success', job_id: 'fa205b0e-3f3f-4e93-9bb0-d1e9c6467e4e' }],
  },
)
export type Queued = Static<typeof Queued>

export const Done = Type.Object({ message: Message }, { description: 'Done.', examples: [{ message: 'success' }] })
export type Done = Static<typeof Done>

export const Updated = Type.Object(
  { message: Message, code: Type.Literal(0), not_applied: NotApplied },
  { description: 'Done.', examples: [{ message: 'success', code: 0, not_applied: ['size'] }] },
)
export type Updated = Static<typeof Updated>

export const Job = Type.Object(
  {
    message: Message,
    status: Type.Union([Type.Literal('pending'), Type.Literal('done'), Type.Literal('failed')]),
    entity_type: Type.Optional(Type.String()),
    entity_id: Type.Optional(Type.String()),
  },
  {
    description: 'How far it is; the container as soon as it is done.',
    examples: [
      {
        message: 'success',
        status: 'done',
        entity_type: 'container',
        entity_id: '54e21881-8620-4bb0-95f1-05f143973a6e',
      },
    ],
  },
)
export type Job = Static<typeof Job>

export const Refused = Type.Object(
  { code: Type.Integer({ description: '100: the request is wrong; 200: it failed here.' }), message: Type.String() },
  { description: 'Refused or failed; `message` says why.', examples: [{ code: 100, message: 'no such container' }] },
)
export type Refused = Static<typeof Refused>

export const Creation = Type.Object(
  { name: Type.String(), ostemplate: Type.String() },
  { examples: [{ name: 'ct100', ostemplate: 'template1' }] },
)
export type Creation = Static<typeof Creation>

export const Update = Type.Object(
  { parameters: Parameters },
  {
    examples: [
      {
        parameters: {
          hostname: 'hostname1',
          cpus: '2',
          memsize: '1',
          memsize_units: 'G',
          ipadd: '10.0.0.1',
          size: '10',
          size_units: 'G',
          nameserver: '1.1.1.1,8.8.8.8',
        },
      },
    ],
  },
)

export const ById = Type.Object({ id: Type.String() })

/** The good answer beside those of every route. */
export function answers<Status extends number, S extends TSchema>(status: Status, good: S) {
  return { [status]: good, '4XX': Refused, '5XX': Refused } as Record<Status, S> & Record<'4XX' | '5XX', typeof Refused> // a computed key loses its literal type
}
