/** Names of images. */

/** A reference's parts; `latest` where it says no tag. A digest stands in the tag's place. */
export interface Reference {
  repo: string
  tag: string
}

/** `registry:5000/a/b:1`, `a@sha256:…` → repository and tag or digest. */
export function parseReference(reference: string): Reference {
  const digestAt = reference.indexOf('@')
  if (digestAt > 0) return { repo: withoutTag(reference.slice(0, digestAt)), tag: reference.slice(digestAt + 1) }
  const repo = withoutTag(reference)
  return { repo, tag: reference.slice(repo.length + 1) || 'latest' }
}

/** Both in the form that can be no id: always with the tag. */
export function formatReference({ repo, tag }: Reference): string {
  return tag.includes(':') ? `${repo}@${tag}` : `${repo}:${tag}`
}

/** A colon before the last slash is a registry's port. */
function withoutTag(name: string): string {
  const colon = name.lastIndexOf(':')
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name
}

/** As engines list names: without the default registry and its folder. */
export function familiar(reference: string): string {
  return reference.replace(/^(docker\.io|index\.docker\.io)\//, '').replace(/^library\//, '')
}
