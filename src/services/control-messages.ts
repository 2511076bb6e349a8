/** What LXD's clients send over a control websocket, in JSON. */

export type ControlMessage =
  | { command: 'window-resize'; width: number; height: number }
  | { command: 'signal'; signal: number }

/** undefined for anything else, which LXD ignores as well. The sizes come as texts. */
export function parseControl(text: string): ControlMessage | undefined {
  const { command, args, signal } = fieldsOf(text)
  if (command === 'signal') return isWithin(signal, 64) ? { command, signal } : undefined
  if (command !== 'window-resize') return undefined
  const given: { width?: unknown; height?: unknown } = Object(args)
  const [width, height] = [Number(given.width), Number(given.height)]
  return isWithin(width, 65_535) && isWithin(height, 65_535) ? { command, width, height } : undefined
}

function fieldsOf(text: string): { command?: unknown; args?: unknown; signal?: unknown } {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}

function isWithin(value: unknown, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most
}
