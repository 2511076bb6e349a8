/** The signals Docker Engine knows on Linux, by name without `SIG`; it refuses a container with another one. */
const NAMES = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP ' +
    'TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
)
const REAL_TIME = /^(RTMIN\+([1-9]|1[0-5])|RTMAX-([1-9]|1[0-4]))$/
/** As Linux counts them. */
const LAST = 64

/** Whether it names a signal, with or without `SIG`, or is the number of one. */
export function isSignal(text: string): boolean {
  if (/^[1-9][0-9]?$/.test(text)) return Number(text) <= LAST
  const name = text.replace(/^SIG/, '')
  return NAMES.has(name) || REAL_TIME.test(name)
}
