/** The well-known LXC templates, and the images that stand for them. */
const KNOWN: Record<string, string> = {
  alpine: 'alpine:latest',
  altlinux: 'alt:latest',
  archlinux: 'archlinux:latest',
  busybox: 'busybox:latest',
  centos: 'quay.io/centos/centos:stream9',
  debian: 'debian:stable',
  fedora: 'fedora:latest',
  gentoo: 'gentoo/stage3:latest',
  opensuse: 'opensuse/leap:latest',
  oracle: 'oraclelinux:9',
  // Of its own it has little more than a shell.
  sshd: 'busybox',
  ubuntu: 'ubuntu:latest',
  'ubuntu-cloud': 'ubuntu',
  voidlinux: 'ghcr.io/void-linux/void-glibc:latest',
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/

/** `ubuntu=ubuntu:24.04,web=my-alias` over the known ones. Throws an Error that says which part is wrong. */
export function parseTemplates(text: string): ReadonlyMap<string, string> {
  const templates = new Map(Object.entries(KNOWN))
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue
    const at = part.indexOf('=')
    const [name, image] = [part.slice(0, Math.max(at, 0)), part.slice(at + 1)]
    if (!NAME.test(name) || image === '') throw new Error(`be template=image pairs, not "${part}"`)
    templates.set(name, image)
  }
  return templates
}
