import type { Config } from '../contract/common.ts'
import type { ContainerDetail, Containers, ExecSpec } from './container.ts'
import { execDirectory, execEnvironment } from './exec-environment.ts'
import { badRequest, type Failure, internal } from './failure.ts'

/** A command as it was asked for. */
export interface ExecRequest {
  command: string[]
  environment: Config
  user: number
  group: number
  /** '' for the user's home. */
  cwd: string
}

/** Throws bad-request for what no process can be started with: arguments and variables end at a NUL. */
export function checkExecRequest({ command, environment, cwd }: ExecRequest): void {
  if (command.some((word) => word.includes('\0'))) throw badRequest('Invalid command: it contains a NUL')
  if (cwd.includes('\0')) throw badRequest('Invalid cwd: it contains a NUL')
  for (const [key, value] of Object.entries(environment)) {
    if (key === '' || key.includes('=') || key.includes('\0'))
      throw badRequest(`Invalid environment variable ${JSON.stringify(key)}: it needs a name without "=" and NUL`)
    if (value.includes('\0')) throw badRequest(`Invalid environment variable "${key}": its value contains a NUL`)
  }
}

/** What it is run in: the instance's expanded config, its container, and the mark by which its process is found. */
export interface ExecPlace {
  config: Config
  container: ContainerDetail
  containers: Pick<Containers, 'stat'>
  marker: string
}

/** The environment of its process. */
export function environmentOf({ environment: request, user }: ExecRequest, { config, container }: ExecPlace): Config {
  return execEnvironment({ config, request, user, container: container.environment })
}

/** The process of a command in an instance; without a terminal unless it is given one. */
export async function planExec(request: ExecRequest, place: ExecPlace, signal?: AbortSignal): Promise<ExecSpec> {
  const { command, cwd } = request
  const { container, containers, marker } = place
  const environment = environmentOf(request, place)
  const wanted = execDirectory(cwd, environment)
  // A home that is not there is no reason not to run; a directory that was asked for is.
  const isThere = cwd !== '' || wanted === '/' || (await containers.stat(container.id, wanted, signal))
  return {
    container: container.id,
    command,
    environment,
    user: userOf(request),
    cwd: isThere ? wanted : '/',
    tty: false,
    width: 0,
    height: 0,
    marker,
  }
}

/** Whom the process runs as, in the engine's words: also by which it is found again. */
export function userOf({ user, group }: Pick<ExecRequest, 'user' | 'group'>): string {
  return `${user}:${group}`
}

/** Why a process could not be started, where that is its working directory. */
export const NO_DIRECTORY = 'There is no such working directory'

/** What LXD says where a process could not be started: the failure by its exit code. */
export function startRefusal({ code, failure }: { code: number; failure: string | undefined }): Failure | undefined {
  if (failure === undefined) return undefined
  if (failure === NO_DIRECTORY) return badRequest(failure)
  if (code === 127) return badRequest('Command not found')
  return code === 126 ? badRequest('Command not executable') : internal(failure)
}
