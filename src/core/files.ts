/** Files of containers as the engine port knows them. Every path is absolute, clean, and seen from inside. */
import type { Readable } from 'node:stream'

export interface FileAttributes {
  /** With setuid, setgid and sticky. */
  mode: number
  uid: number
  gid: number
  /** Milliseconds since 1970; engines keep whole seconds. */
  modified: number
}

export interface FileEntry extends FileAttributes {
  /** `other`: a device, a socket, a pipe. */
  type: 'file' | 'directory' | 'symlink' | 'other'
  /** Bytes; 0 for all but files. */
  size: number
  /** Of a symlink, as it is written; '' else. */
  target: string
}

/** A path in a container. */
export interface FilePlace {
  container: string
  path: string
}

/**
 * Files of one engine's containers, whether they run or not. Links in the parents of a path are followed inside the
 * container. Failures: bad-request where a parent is no directory, not-found where it is missing.
 */
export interface Files {
  /** What is at the path itself, a link not followed. */
  look(place: FilePlace, signal?: AbortSignal): Promise<FileEntry | undefined>
  /** Its type alone, which is told sooner. */
  typeOf(place: FilePlace, signal?: AbortSignal): Promise<FileEntry['type'] | undefined>
  /** Where a symlink leads in the end; there may be nothing. */
  resolve(place: FilePlace, signal?: AbortSignal): Promise<string>
  /** A file's bytes. Must be read or destroyed. What its reader leaves for too long is cut off. */
  read(place: FilePlace, signal?: AbortSignal): Promise<{ entry: FileEntry; content: Readable } | undefined>
  /** Names in a directory. */
  list(place: FilePlace, signal?: AbortSignal): Promise<string[]>
  /**
   * Makes or replaces a file, whole or not at all: what breaks off leaves what was there before. With `append` the
   * bytes come after those that are there. The content is left open where it is refused half-way.
   */
  putFile(
    place: FilePlace,
    content: Readable,
    attributes: FileAttributes & { append?: boolean },
    signal?: AbortSignal,
  ): Promise<void>
  putDirectory(place: FilePlace, attributes: FileAttributes, signal?: AbortSignal): Promise<void>
  /** Makes or replaces a symlink. */
  putSymlink(place: FilePlace, target: string, attributes: FileAttributes, signal?: AbortSignal): Promise<void>
  /** Removes a file, or a directory with all in it; nothing to do where there is none. */
  remove(place: FilePlace, isDirectory: boolean, signal?: AbortSignal): Promise<void>
}
