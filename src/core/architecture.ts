/** One row per architecture: LXD's name first, then what engines (`GOARCH`) and kernels call it. */
const NAMES = [
  ['x86_64', 'amd64'],
  ['i686', '386', 'i386', 'i586'],
  ['aarch64', 'arm64', 'armv8', 'armv8l'],
  ['armv7l', 'arm', 'armhf', 'armv7'],
  ['armv6l', 'armel', 'armv6'],
  ['ppc64le', 'ppc64el'],
  ['ppc64'],
  ['s390x'],
  ['riscv64'],
  ['riscv32'],
  ['mips'],
  ['mips64', 'mips64le'],
  ['loongarch64', 'loong64'],
] as const

const byAny = new Map<string, string>(
  NAMES.flatMap(([first, ...others]) => [first, ...others].map((name): [string, string] => [name, first])),
)
const toEngine = new Map<string, string>(NAMES.map((names) => [names[0], names[1] ?? names[0]]))

/** Any usual name of an architecture → LXD's; an unknown one stays as it is. */
export function lxdArchitecture(name: string): string {
  return byAny.get(name) ?? name
}

/** LXD's name → the engine's. */
export function engineArchitecture(name: string): string {
  return toEngine.get(lxdArchitecture(name)) ?? name
}

/** What a machine of this architecture runs, its own first: 64-bit x86 and ARM run their 32-bit predecessors. */
export function runnableArchitectures(name: string): string[] {
  const own = lxdArchitecture(name)
  const older: Record<string, string[]> = { x86_64: ['i686'], aarch64: ['armv7l'] }
  return [own, ...(older[own] ?? [])]
}
