/** Who is trusted, by certificate: LXD's trust store. */
import { Type } from 'typebox'
import { Certificate, CertificatePut, CertificatesPost } from '../../contract/certificate.ts'
import { ref } from '../../contract/named.ts'
import { ListQuery } from '../../contract/query.ts'
import { etagOf } from '../../core/etag.ts'
import { certificateUrl, readClientCertificate, toCertificate, type Certificates } from '../../services/certificates.ts'
import type { Operations } from '../../services/operations.ts'
import { ACCEPTED, CHANGED, CREATED, listOf, taggedOne } from '../accepting.ts'
import { accepted, created, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { peerOf } from '../peer.ts'
import { recursionOf } from '../recursion.ts'

export interface CertificateRoutesDeps {
  certificates: Certificates
  operations: Operations
}

const tags = ['certificates']
const params = Type.Object({
  fingerprint: Type.String({ description: 'Or its beginning.', examples: ['8fce369def57'] }),
})

export function certificateRoutes(app: App, deps: CertificateRoutesDeps): void {
  const listed = {
    operationId: 'listCertificates',
    summary: 'List the certificates that are trusted; for those who are no admin, their own',
    tags,
    querystring: ListQuery({}),
    response: listOf(ref(Certificate)),
  }
  app.get('/1.0/certificates', { schema: listed }, async (request) => {
    const records = await deps.certificates.list(callerOf(request))
    if (recursionOf(request.query) > 0) return sync(records.map(toCertificate))
    return sync(records.map(({ name }) => certificateUrl(name)))
  })
  createRoute(app, deps)
  oneRoutes(app, deps)
}

function createRoute(app: App, { certificates, operations }: CertificateRoutesDeps): void {
  const schema = {
    operationId: 'createCertificate',
    summary: 'Trust a certificate, or make a trust token',
    description:
      'Without `certificate` it is the one of the connection. One who is not trusted yet shows a trust token or the trust ' +
      'password as `password`. With `token` the answer is an operation (202) that waits until its token is used; cancelling it revokes it.',
    tags,
    body: ref(CertificatesPost),
    response: { ...CREATED, ...ACCEPTED },
  }
  app.post('/1.0/certificates', { schema, config: { open: 'records' } }, async (request, reply) => {
    const { body, visitor } = request
    if (body.token === true)
      return accepted(request, reply, operations, await certificates.invite(callerOf(request), body))
    const shown = peerOf(request.raw.socket)?.certificate?.der
    const client = readClientCertificate(body.certificate, shown)
    const answer = created(certificateUrl(client.fingerprint))
    const caller = visitor && keeping(request, answer)
    await certificates.add(caller, body, { client, from: request.ip })
    return give(reply, answer)
  })
}

function oneRoutes(app: App, { certificates }: CertificateRoutesDeps): void {
  const got = {
    operationId: 'getCertificate',
    summary: 'Read a certificate',
    tags,
    params,
    response: taggedOne(ref(Certificate)),
  }
  app.get('/1.0/certificates/:fingerprint', { schema: got }, async (request, reply) => {
    const record = await certificates.get(callerOf(request), request.params.fingerprint)
    return tagged(reply, etagOf(record.uuid, record.rev), toCertificate(record))
  })

  for (const [method, operationId, summary] of [
    ['PUT', 'putCertificate', 'Change what a certificate is allowed, as a whole'],
    ['PATCH', 'patchCertificate', 'Change some of what a certificate is allowed'],
  ] as const)
    app.route({
      method,
      url: '/1.0/certificates/:fingerprint',
      schema: { operationId, summary, tags, params, body: ref(CertificatePut), response: CHANGED },
      handler: async (request, reply) => {
        const change = method === 'PUT' ? certificates.update : certificates.patch
        const { fingerprint } = request.params
        await change(keeping(request, DONE), fingerprint, request.body, request.headers['if-match'])
        return give(reply, DONE)
      },
    })

  const removed = {
    operationId: 'deleteCertificate',
    summary: 'Trust a certificate no more',
    tags,
    params,
    response: CHANGED,
  }
  app.delete('/1.0/certificates/:fingerprint', { schema: removed }, async (request, reply) => {
    await certificates.remove(keeping(request, DONE), request.params.fingerprint)
    return give(reply, DONE)
  })
}
