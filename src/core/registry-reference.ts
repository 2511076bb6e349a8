/** References of images in registries: `alpine:3.20`, `registry.example:5000/team/web@sha256:…`. */

const HOST = /^(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9-]+(?=:\d)|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^\w[\w.-]{0,127}$/
const DIGEST = /^sha256:[0-9a-f]{64}$/
const MAX_LENGTH = 255

/** The reference with its tag (`latest` where none is said) or digest; undefined for what engines would not take. */
export function parseRegistryReference(text: string): string | undefined {
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : text.slice(at + 1)
  const named = at < 0 ? text : text.slice(0, at)
  const colon = named.lastIndexOf(':')
  const hasTag = colon > named.lastIndexOf('/')
  const name = hasTag ? named.slice(0, colon) : named
  const tag = hasTag ? named.slice(colon + 1) : 'latest'
  if (!isName(name) || !TAG.test(tag)) return undefined
  if (digest === undefined) return `${name}:${tag}`
  return DIGEST.test(digest) ? `${name}@${digest}` : undefined
}

/** Whether a word that is no alias can only be meant as a reference: it has a tag, a path or a digest. */
export function looksLikeReference(text: string): boolean {
  return /[:/@]/.test(text) && parseRegistryReference(text) !== undefined
}

function isName(name: string): boolean {
  const [first = '', ...rest] = name.split('/')
  const path = rest.length > 0 && HOST.test(first) ? rest : [first, ...rest]
  return name.length <= MAX_LENGTH && path.every((component) => COMPONENT.test(component))
}
