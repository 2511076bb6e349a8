/** Where on a member's engine the files lie that Windlass keeps for its users: each one in a volume of its own. */

/** What the file is called within its volume. */
export const KEPT_FILE = 'content'

/** And the second one beside it, of an image in two files. */
export const ROOTFS_FILE = 'rootfs'

/** The tarball of an image. */
export function imageVolume(uuid: string): string {
  return `windlass-image-${uuid}`
}

/** The tarball of a backup. */
export function backupVolume(uuid: string): string {
  return `windlass-backup-${uuid}`
}

/** A backup that was sent, until the instance is made of it. */
export function uploadVolume(uuid: string): string {
  return `windlass-upload-${uuid}`
}

export type OutputStream = 'stdout' | 'stderr'

/** What a recorded exec has said. */
export function outputVolume(operation: string, stream: OutputStream): string {
  return `windlass-output-${operation}-${stream}`
}

/** LXD's name of the log in which that can be read. */
export function outputLog(operation: string, stream: OutputStream): string {
  return `exec_${operation}.${stream}`
}

/** The way back; undefined for every other log. */
export function parseOutputLog(log: string): string | undefined {
  const match = /^exec_([0-9a-f-]{36})\.(stdout|stderr)$/.exec(log)
  return match === null ? undefined : `windlass-output-${match[1]}-${match[2]}`
}

/** A file as it was kept. */
export interface KeptFile {
  size: number
  /** Hex. */
  sha256: string
}
