/** What an operator can set for single dialects: their originals read it from a command line or an environment. */
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
}

export const DEFAULT_SETTINGS: DialectSettings = {
  hebergos: { image: 'busybox', portArea: 5000, branch: 'list', engine: 'unix:///var/run/docker.sock' },
}
