/** What an operator can set for single dialects: their originals read it from a command line or an environment. */
import { parseTemplates } from './templates.ts'

export interface DialectSettings {
  hebergos: {
    /** The image of a container that is made without one. */
    image: string
    /** Ports of a container are found on the host at its root plus their number, which is below this. */
    portArea: number
    /** What `GET /v1/git/branch` tells: all branches (first revision), or the name of the current one (later ones). */
    branch: 'list' | 'current'
    /** The engine's address, as the original tells it. */
    engine: string
  }
  lwp: {
    /** Name of an LXC template → the image that stands for it. */
    templates: ReadonlyMap<string, string>
    /** Tokens of fewer than 16 characters: taken with a warning, or refused. */
    shortTokens: 'warn' | 'refuse'
  }
}

export const DEFAULT_SETTINGS: DialectSettings = {
  hebergos: { image: 'busybox', portArea: 5000, branch: 'list', engine: 'unix:///var/run/docker.sock' },
  lwp: { templates: parseTemplates(''), shortTokens: 'warn' },
}
