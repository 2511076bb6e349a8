/** `GET /1.0/operations/<id>/websocket`: the streams of an exec or a console. */
import { Type, type Static } from 'typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { badRequest } from '../../core/failure.ts'
import type { Streams } from '../../services/streams.ts'
import type { App } from '../app-types.ts'
import { passOn, PASSED_ON } from '../pass-on.ts'
import { BYTES } from '../streams.ts'
import { openChannel } from '../socket-channel.ts'

const Params = Type.Object({ id: Type.String({ examples: ['019a7b5c-1f00-7000-8000-000000000001'] }) })
const Query = Type.Object({
  secret: Type.Optional(
    Type.String({ description: "One of the operation's `metadata.fds`; each opens one websocket." }),
  ),
})

/** A vanished client is noticed within minutes; milliseconds. */
const PROBE_AFTER = 30_000

export function operationSocketRoutes(app: App, { streams }: { streams: Pick<Streams, 'find' | 'join'> }): void {
  const asked = (request: FastifyRequest) => {
    const { id } = request.params as Static<typeof Params> // validated by the route's schema
    const { secret } = request.query as Static<typeof Query> // validated by the route's schema
    return { id, secret: secret ?? '' }
  }

  /** Everything that can be refused is refused before anything is upgraded. */
  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const { id, secret } = asked(request)
    if (secret === '') throw badRequest('missing secret')
    const place = await streams.find(id, secret)
    if (!request.ws) throw badRequest('Upgrade to a websocket')
    if (place.here) return undefined
    if (request.headers[PASSED_ON] !== undefined) throw badRequest('Another API process carries this operation')
    return passOn(request, reply, place.addresses)
  }

  app.route({
    method: 'GET',
    url: '/1.0/operations/:id/websocket',
    // The secret is all that is asked for, as in LXD.
    config: { open: true },
    schema: {
      operationId: 'openOperationWebsocket',
      summary: 'Open a websocket of an exec or a console',
      description:
        'Data are binary frames of at most 1 MiB; an empty text frame ends them. The websocket `control` takes ' +
        '`{"command": "window-resize", "args": {"width": "80", "height": "24"}}` and `{"command": "signal", "signal": 15}` as text.',
      tags: ['operations'],
      params: Params,
      querystring: Query,
      response: { 101: { ...BYTES[200], description: 'The websocket.' } },
    },
    preHandler: admit,
    handler: async () => {
      throw badRequest('Upgrade to a websocket')
    },
    wsHandler: (socket, request) => {
      request.raw.socket.setKeepAlive(true, PROBE_AFTER)
      const { id, secret } = asked(request)
      streams.join(id, secret, openChannel(socket))
    },
  })
}
