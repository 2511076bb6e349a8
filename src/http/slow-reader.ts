/** A stream of events to one client. A reader that does not keep up is dropped: it can resume, but not hold us up. */

/** The bare connection underneath. */
export interface Outlet {
  send(text: string): void
  /** Bytes that were sent and not yet taken by the network. */
  buffered(): number
  /** Ends in order: what is buffered goes out first. */
  end(): void
  /** Ends at once. */
  destroy(): void
}

export interface Reader {
  send(text: string): void
  /** Says `farewell` and ends; a client that does not read it either is cut off. */
  dismiss(farewell: string): void
  close(): void
}

/** Bytes a client may leave unread. */
const MOST_BUFFERED = 256 * 1024
/** From so many unread bytes on the clock runs. */
const SLACK = 16 * 1024
/** How long a client may take to read them, milliseconds. */
const PATIENCE = 10_000
/** How long the farewell may take, milliseconds. */
const FAREWELL = 2_000

/** Watches over one outlet; `onSlow` is called once, when the reader has to go. */
export function createReader(outlet: Outlet, onSlow: () => void): Reader {
  let clock: NodeJS.Timeout | undefined
  let isOver = false

  function send(text: string): void {
    if (isOver) return
    outlet.send(text)
    const unread = outlet.buffered()
    if (unread > MOST_BUFFERED) onSlow()
    else if (unread > SLACK) clock ??= setTimeout(look, PATIENCE)
  }

  function look(): void {
    clock = undefined
    if (!isOver && outlet.buffered() > SLACK) onSlow()
  }

  function dismiss(farewell: string): void {
    if (isOver) return
    outlet.send(farewell)
    outlet.end()
    close()
    // Keeps nothing alive by itself: the connection does that.
    setTimeout(() => outlet.destroy(), FAREWELL).unref()
  }

  function close(): void {
    isOver = true
    clearTimeout(clock)
  }

  return { send, dismiss, close }
}
