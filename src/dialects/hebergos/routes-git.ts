/** Git in a container. What only looks runs at once; what changes something is an operation like any other. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { badRequest, preconditionFailed, timedOut } from '../../core/failure.ts'
import { isFinal } from '../../core/operation-states.ts'
import { outputLog, type OutputStream } from '../../core/kept-files.ts'
import type { CommandResult } from '../../services/commands.ts'
import type { Listed } from '../../services/directory.ts'
import { bothSlashes, callerOf, type DialectApp, type DialectKit } from '../dialect.ts'
import * as git from './git.ts'
import { addRoute, containerOf } from './paths.ts'
import * as wire from './wire.ts'

const GIT = '/v1/git'
const TEXT = 'text/plain; charset=utf-8'
const SAID = wire.text('What git said.')

export function gitRoutes(app: DialectApp, kit: DialectKit): void {
  readings(app, kit)
  changing(app, kit, {
    method: 'GET',
    path: GIT,
    words: ['fetchAll', 'Fetch from all remotes of a repository', 'git'],
    command: git.fetchAll,
  })
  changing(app, kit, {
    method: 'PUT',
    path: GIT,
    words: ['initRepository', 'Make a repository (later revisions)', 'git'],
    command: git.init,
  })
  changing(app, kit, {
    method: 'POST',
    path: `${GIT}/branch`,
    words: ['checkout', 'Check out a branch', 'git'],
    command: (place, branch) => {
      if (branch === undefined) throw badRequest('missing branch')
      return git.checkout(place, branch)
    },
  })
}

function readings(app: DialectApp, kit: DialectKit): void {
  const list = { command: git.branches, answers: { 200: wire.Branches }, end: toList }
  const current = { command: git.currentBranch, answers: { 200: SAID }, end: toText }
  const routes = [
    {
      path: 'head',
      words: ['readHead', 'The commit that is checked out', 'git'],
      command: git.head,
      answers: { 200: SAID },
      end: toText,
    },
    {
      path: 'branch',
      words: ['listBranches', 'Branches, those of remotes too; or the current one, where it is set so', 'git'],
      ...(kit.settings.hebergos.branch === 'list' ? list : current),
    },
    {
      path: 'branches',
      words: ['listAllBranches', 'Branches, those of remotes too (later revisions)', 'git'],
      ...list,
    },
  ] as const
  for (const { path, words, command, answers, end } of routes)
    addRoute(app, {
      method: 'GET',
      paths: bothSlashes(`${GIT}/${path}`),
      words,
      query: wire.GitQuery,
      answers,
      handler: async (request, reply) => {
        const { listed, place } = await placeOf(kit, request)
        const asked = {
          command: command(place),
          environment: git.ENVIRONMENT,
          maxBytes: git.MAX_OUTPUT,
          timeout: kit.patience,
        }
        return end(reply, await kit.services.commands.run(callerOf(request), listed.where, asked))
      },
    })
}

function toText(reply: FastifyReply, { code, output }: CommandResult): FastifyReply {
  if (code !== 0) throw preconditionFailed(output)
  return reply.type(TEXT).send(output)
}

function toList(_reply: FastifyReply, { code, output, stdout }: CommandResult): string[] {
  if (code !== 0) throw preconditionFailed(output)
  return git.toBranches(stdout)
}

interface Changing {
  method: 'GET' | 'PUT' | 'POST'
  path: string
  words: readonly [string, string, 'git']
  command: (place: git.GitPlace, branch: string | undefined) => string[]
}

function changing(app: DialectApp, kit: DialectKit, { method, path, words, command }: Changing): void {
  addRoute(app, {
    method,
    paths: bothSlashes(path),
    words,
    query: wire.GitQuery,
    answers: { 200: SAID },
    config: {
      repeated: async (request, reply, operation) => {
        const { id } = request.query as wire.GitQuery // checked by the route's schema
        const { listed } = await containerOf(kit, request, wire.first(id))
        return answerEnd(kit, request, reply, { listed, operation })
      },
    },
    handler: async (request, reply) => {
      const { services, patience } = kit
      const caller = callerOf(request)
      const { listed, place, branch } = await placeOf(kit, request)
      const line = command(place, branch)
      const cwd = (await services.commands.workdir(caller, listed.where)) || '/'
      const operation = await services.instances.exec(caller, listed.where, {
        command: line,
        cwd,
        environment: git.ENVIRONMENT,
        'record-output': true,
      })
      const ended = await services.operations.wait(caller, operation.id, patience / 1000)
      return answerEnd(kit, request, reply, { listed, operation: ended })
    },
  })
}

/** What the command has said, which is kept only for who may ask again by an Idempotency-Key. */
async function answerEnd(
  { services }: DialectKit,
  request: FastifyRequest,
  reply: FastifyReply,
  { listed, operation }: { listed: Listed; operation: OperationRecord },
): Promise<string> {
  const { id, state, err, metadata } = operation
  if (!isFinal(state))
    throw timedOut('git is still running; ask for the result of its operation', { operation: `/1.0/operations/${id}` })
  // A failed operation is a command that could not be run, like a git that is not there.
  if (state !== 'success') throw preconditionFailed(err)
  const caller = callerOf(request)
  const logs = (['stdout', 'stderr'] as const).map((name: OutputStream) => outputLog(id, name))
  const said: string[] = []
  for (const log of logs) said.push(await firstBytes((await services.logs.read(caller, listed.where, log)).content))
  if (request.headers['idempotency-key'] === undefined)
    await Promise.all(logs.map((log) => services.logs.remove(caller, listed.where, log)))
  const output = said.join('')
  if (metadata?.['return'] !== 0) throw preconditionFailed(output)
  reply.type(TEXT)
  return output
}

async function firstBytes(content: Readable): Promise<string> {
  const kept: Buffer[] = []
  let left = git.MAX_OUTPUT
  // Without an encoding the chunks of a byte stream are Buffers. Leaving the loop destroys the stream.
  for await (const chunk of content as AsyncIterable<Buffer>) {
    kept.push(chunk.subarray(0, left))
    left -= chunk.length
    if (left <= 0) break
  }
  return Buffer.concat(kept).toString()
}

async function placeOf(kit: DialectKit, request: FastifyRequest) {
  const { id, path, branch } = request.query as wire.GitQuery // checked by the route's schema
  const { listed, run } = await containerOf(kit, request, wire.first(id))
  if (run.status !== 'running') throw preconditionFailed(`Container ${wire.first(id)} is not running`)
  return { listed, place: { path: wire.first(path) }, branch: wire.first(branch) }
}
