/**
 * How an image that is made from a container runs: like the image the container was made from. What only the instance
 * said (environment, command, user …) is kept in its record, and must neither outlive it there nor go to others.
 */
import { fields, type Fields, text, texts } from './read.ts'

/** What an image can say. */
const SAID = [
  'Cmd',
  'Entrypoint',
  'Env',
  'ExposedPorts',
  'Healthcheck',
  'Labels',
  'OnBuild',
  'Shell',
  'StopSignal',
  'User',
  'Volumes',
  'WorkingDir',
] as const

/** The configuration of an image or a container, for an image without a past. */
export function wholeConfig(payload: Fields): Fields {
  const told = fields(payload.Config)
  const said = Object.fromEntries(SAID.flatMap((key) => (told[key] == null ? [] : [[key, told[key]]])))
  return { ...said, Env: texts(told.Env).filter((line) => line.includes('=')) }
}

/**
 * The image's configuration as the body of a commit. The engine fills what is empty there from the container, and adds
 * to the environment what is missing: an empty list of words is kept, an entry without `=` removes a variable from
 * containers made later, and the rest is said by its default.
 */
export function originalConfig(image: Fields, container: Fields): Fields {
  const wanted = fields(image.Config)
  const found = fields(container.Config)
  const unlessEmpty = (key: string, usual: string): string =>
    text(wanted[key]) || (text(found[key]) === '' ? '' : usual)
  const lines = texts(wanted.Env)
  const names = new Set(lines.map(nameOf))
  const removed = new Set(texts(found.Env).map(nameOf)).difference(names)
  return {
    Env: [...lines, ...removed],
    Cmd: texts(wanted.Cmd),
    Entrypoint: texts(wanted.Entrypoint),
    User: unlessEmpty('User', '0'),
    WorkingDir: unlessEmpty('WorkingDir', '/'),
    StopSignal: unlessEmpty('StopSignal', 'SIGTERM'),
  }
}

/** Whether a commit with this configuration would get the container's command: only an entrypoint keeps it away. */
export function wouldInheritCommand(config: Fields, container: Fields): boolean {
  const hasWords = texts(config.Cmd).length > 0 || texts(config.Entrypoint).length > 0
  return !hasWords && texts(fields(container.Config).Cmd).length > 0
}

function nameOf(line: string): string {
  return line.split('=', 1)[0] ?? ''
}
