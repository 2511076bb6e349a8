/** When an operation's id (a UUIDv7) was made, milliseconds since 1970; undefined for what is no such id. */
export function idTime(id: string): number | undefined {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(id)) return undefined
  return Number.parseInt(id.replace('-', '').slice(0, 12), 16)
}
