/** What tells where a browser sends a request from. */
export interface Sent {
  headers: { readonly 'sec-fetch-site'?: unknown; readonly origin?: string | undefined }
  /** Name and port by which it has reached us. */
  host: string
}

/** Whether a browser sends it for another site than ours: what it shows on its own then (a certificate, a password) is not meant. */
export function isCrossSite({ headers, host }: Sent): boolean {
  if (headers['sec-fetch-site'] === 'cross-site') return true
  const { origin } = headers
  return origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`
}
