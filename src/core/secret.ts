import { isCrossSite, type Sent } from './cross-site.ts'

/** `Authorization: Bearer TOKEN`, or Basic with the token as the password; '' is a wrong one, undefined none. */
export function secretOf(
  request: Sent & { headers: { readonly authorization?: string | undefined } },
): string | undefined {
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').trimEnd().split(/ +/, 2)
  if (/^bearer$/i.test(scheme)) return value
  if (!/^basic$/i.test(scheme)) return undefined
  // A browser that knows it sends it on its own, also where another site has led it here.
  if (isCrossSite(request)) return ''
  const text = Buffer.from(value, 'base64').toString()
  return text.slice(text.indexOf(':') + 1)
}
