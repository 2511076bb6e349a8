/**
 * `npm run battery:mutations [-- fence undo]`: takes a safeguard out of a copy of this checkout, one at a time, and
 * demands that the tests which are to notice it fail. Each of them has to pass in an unchanged copy first: else its
 * failing would say nothing. Exits with 1 when a mutation survives.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '..', '..')

interface Patch {
  file: string
  /** Must be there exactly once. */
  from: string
  to: string
}

/** A test file, and the test in it, that is to notice. */
type Judge = readonly [file: string, test?: string]

interface Mutation {
  name: string
  /** What is missing then. */
  what: string
  patches: readonly Patch[]
  judge: Judge
}

const MODEL: Judge = ['test/battery/model.test.ts']
const CRASHES: Judge = ['test/system/crash.test.ts', 'whatever a killed worker was doing']
const SWEEPS: Judge = ['test/system/sweep.test.ts', 'what an ended operation has left']
const OTHERS: Judge = ['test/system/volume-claims.test.ts', 'what somebody else makes of an instance stays']
const LUA = 'src/redis/lua'

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'fence',
    what: 'a worker that was taken over still writes',
    patches: [
      {
        file: `${LUA}/note.lua`,
        from: "if held[1] ~= 'running' or tonumber(held[2]) ~= tonumber(ARGV[2]) or held[3] ~= ARGV[3] then",
        to: "if held[1] ~= 'running' then",
      },
      { file: `${LUA}/end.lua`, from: "if not mine then return 'fenced' end", to: '' },
    ],
    judge: MODEL,
  },
  {
    name: 'fence-of-begin',
    what: 'whoever comes late begins all the same',
    patches: [
      {
        file: `${LUA}/begin.lua`,
        from: "if fence < last or (fence == last and token ~= held[3]) then return { 'fenced' } end",
        to: '',
      },
    ],
    judge: MODEL,
  },
  {
    name: 'room',
    what: 'several requests take the last room in a project',
    patches: [{ file: 'src/services/instance-creation.ts', from: '          ...room,\n', to: '' }],
    judge: ['test/system/projects.test.ts', 'of 20 instances asked for at once'],
  },
  {
    name: 'mounts',
    what: 'an instance is made with a volume that is just being replaced',
    patches: [
      {
        file: 'src/services/mounts.ts',
        from: "return using(submission, 'volume', volumes)",
        to: 'return { ...submission, changes: submission.changes ?? [] }',
      },
    ],
    judge: ['test/system/volume-claims.test.ts', 'no instance gets a volume'],
  },
  {
    name: 'profiles',
    what: 'a profile changes while an instance is being made with it',
    patches: [
      {
        file: 'src/services/mounts.ts',
        from: "return using(submission, 'profile', profiles)",
        to: 'return { ...submission, changes: submission.changes ?? [] }',
      },
    ],
    judge: ['test/system/volume-claims.test.ts', 'a profile that an instance is being made with'],
  },
  {
    name: 'keep',
    what: 'an update undoes what somebody else has made of the instance meanwhile',
    patches: [
      {
        file: 'src/services/instances.ts',
        from: "{ change: 'keep', noun: 'instance', uuid: now.uuid, rev: now.rev },",
        to: '',
      },
    ],
    judge: ['test/system/volume-claims.test.ts', 'what somebody else makes of an instance stays'],
  },
  {
    name: 'alias',
    what: 'an alias leads to an image that is deleted meanwhile',
    patches: [
      { file: 'src/services/aliases.ts', from: '      unlessBusy: image && [`image:${image.uuid}`],\n', to: '' },
    ],
    judge: ['test/unit/services/aliases.test.ts', 'an image that stays'],
  },
  {
    name: 'secret',
    what: 'a secret that was admitted twice outlives its revocation',
    patches: [
      {
        file: 'src/services/tokens.ts',
        from: "(await records.list('token')).filter((token) => isSameText(token.hash, hash))",
        to: "(await records.list('token')).filter((token) => isSameText(token.hash, hash)).slice(0, 1)",
      },
    ],
    judge: ['test/unit/services/tokens.test.ts', 'a secret that was admitted twice'],
  },
  {
    name: 'tarball',
    what: 'an export that fails takes the tarball of another one along',
    patches: [
      {
        file: 'workers/handlers/image-pack.ts',
        from: "if ((await load(context)).tarball !== '') return undefined",
        to: '',
      },
    ],
    judge: ['test/unit/workers/meanwhile.test.ts', 'a tarball that another export'],
  },
  {
    name: 'unapplied',
    what: 'a file is written into a container that a start replaces',
    patches: [{ file: 'src/services/instance-files.ts', from: '[...REPLACING, ...STARTING]', to: 'REPLACING' }],
    judge: ['test/system/files.test.ts', 'nor while a start makes'],
  },
  {
    name: 'features',
    what: 'a profile comes into a project that shares them by now',
    patches: [
      {
        file: 'src/services/homes.ts',
        from: 'hasOwn(now.config, noun) !== hasOwn(begun.config, noun)',
        to: 'hasOwn(now.config, noun) !== hasOwn(now.config, noun)',
      },
    ],
    judge: ['test/ports/project-room.redis.test.ts', 'comes not after it shares it'],
  },
  {
    name: 'room-of-limits',
    what: 'who was on the way into a project when it got a limit comes in all the same',
    patches: [
      {
        file: 'src/services/project-room.ts',
        from: "  return { change: 'keep', noun: 'project', uuid: record.uuid, rev: record.rev }",
        to: "  return { change: 'keep', noun: 'project', uuid: 'none', rev: 0 }",
      },
    ],
    judge: ['test/ports/project-room.redis.test.ts', 'who took room before'],
  },
  {
    name: 'hold',
    what: 'a project gets a limit although an instance has just come into it',
    patches: [
      {
        file: 'src/services/projects.ts',
        from: 'isHeld ? whileHeld(caller, record, save) : save(record)',
        to: 'isHeld ? save(record) : save(record)',
      },
    ],
    judge: ['test/ports/project-room.redis.test.ts', 'when an instance came after'],
  },
  {
    name: 'either',
    what: 'an instance that is being changed counts only as it is to become',
    patches: [
      {
        file: 'src/services/project-room.ts',
        from: 'Math.max(amounts.get(one.uuid) ?? 0, amountOfOne(one))',
        to: 'amountOfOne(one)',
      },
    ],
    judge: ['test/ports/project-room.redis.test.ts', 'both count'],
  },
  {
    name: 'forbidden',
    what: 'a worker makes an instance that its project forbids by now',
    patches: [{ file: 'workers/containers.ts', from: 'if (fault !== undefined) throw badRequest(fault)', to: '' }],
    judge: ['test/system/projects.test.ts', 'the worker that makes an instance refuses'],
  },
  {
    name: 'tries',
    what: 'what another server does not answer is asked for for ever',
    patches: [
      {
        file: 'workers/perform.ts',
        from: ' || tries > MOST_TRIES) throw thrown',
        to: ' || tries > 10 * MOST_TRIES) throw thrown',
      },
    ],
    judge: ['test/ports/perform.redis.test.ts', 'what does not answer although'],
  },
  {
    name: 'occasion',
    what: 'a tick that comes again makes another snapshot',
    patches: [{ file: 'src/services/snapshots.ts', from: '...(once !== undefined && { once }),', to: '' }],
    judge: ['test/system/schedules.test.ts', 'an instance gets one snapshot for each minute'],
  },
  {
    name: 'restore',
    what: 'a custom volume is restored under a running instance',
    patches: [
      {
        file: 'workers/replacing-volumes.ts',
        from: "if (status === 'running' || status === 'paused' || status === 'restarting') throw badRequest(text)",
        to: '',
      },
    ],
    judge: ['test/system/volumes.test.ts', 'what mounts a volume stands still'],
  },
  {
    name: 'reservation',
    what: 'a name is free for others while it is being made',
    patches: [
      {
        file: `${LUA}/accept.lua`,
        from: "redis.call('HSET', key('resv', claim.noun, claim.scope), claim.name, id)",
        to: '',
      },
    ],
    judge: MODEL,
  },
  {
    name: 'cancel',
    what: 'a success is written although a cancel was promised',
    patches: [
      {
        file: `${LUA}/end.lua`,
        from: "if ask.state == 'success' and held[5] and held[4] ~= '1' then return 'cancelling' end",
        to: '',
      },
    ],
    judge: MODEL,
  },
  {
    name: 'sweeper-of-jobs',
    what: 'an operation whose job is lost is never queued again',
    patches: [
      {
        file: 'src/sweep/lost-jobs.ts',
        from: 'return (await isLost(deps, operation)) ? [queueAgain(deps, operation)] : []',
        to: 'return (await isLost(deps, operation)) ? [] : []',
      },
    ],
    judge: MODEL,
  },
  {
    name: 'doubts',
    what: 'an operation that was never queued passes for one that waits',
    patches: [
      {
        file: `${LUA}/doubtful-jobs.lua`,
        from: 'if not job[1] or job[2] or job[3] ~= data then',
        to: 'if job[2] then',
      },
    ],
    judge: ['test/ports/job-queue.redis.test.ts', 'in one question'],
  },
  {
    name: 'late-upload',
    what: 'what the engine makes after the sender of an upload has gone stays',
    patches: [
      {
        file: 'src/services/uploads.ts',
        from: '      transfer.leave()\n      throw failure',
        to: '      await transfer.end()\n      throw failure',
      },
    ],
    judge: ['test/unit/services/uploads.test.ts', 'of one that fails'],
  },
  {
    name: 'late-records',
    what: 'a copied snapshot loses its tag when its operation ends during the sweep',
    patches: [
      {
        file: 'src/sweep/leftovers.ts',
        from: "[...makers.values()].includes('ended') ? { ...sight, known: await readKnown(deps) } : sight",
        to: 'sight',
      },
    ],
    judge: ['test/unit/sweep/leftovers.test.ts', 'a copied snapshot keeps its tag'],
  },
  {
    name: 'heirs',
    what: 'what others have made of a commit of an instance is removed as if it were ours',
    patches: [{ file: 'src/sweep/sight.ts', from: 'isOurs(one) && !isHeir(one, images)', to: 'isOurs(one)' }],
    judge: ['test/unit/sweep/leftovers.test.ts', 'what others have made'],
  },
  {
    name: 'late-containers',
    what: 'an instance is put back to the container that it has just been made anew from',
    patches: [
      {
        file: 'src/sweep/rebuild.ts',
        from: '(await hasContainer(deps, sight, uuid)) ? [] : putInstance(',
        to: 'putInstance(',
      },
    ],
    judge: ['test/unit/sweep/late-looks.test.ts', 'an instance that has just got another container'],
  },
  {
    name: 'second-look',
    what: 'what is deleted while the sweep looks comes back',
    patches: [
      {
        file: 'src/sweep/sight.ts',
        from: 'strange.length === 0 ? seen : stillThere(seen, await listAll(engine))',
        to: 'seen',
      },
    ],
    judge: ['test/unit/sweep/late-looks.test.ts', 'what is deleted while the sweep looks'],
  },
  {
    name: 'left-by-deletion',
    what: 'a backup that was deleted while it was being sent comes back',
    patches: [
      {
        file: 'src/sweep/sight.ts',
        from: "(isLeftByDeletion(known, deleted, own) ? 'ended' : 'unknown')",
        to: "'unknown'",
      },
    ],
    judge: ['test/unit/sweep/late-looks.test.ts', 'a tarball that was being sent'],
  },
  {
    name: 'renaming',
    what: 'a project gets another name although something has begun to be made in it',
    patches: [
      {
        file: 'workers/handlers/project-rename.ts',
        from: 'project.rev !== (context.input.rev ?? project.rev)',
        to: 'project.rev < 0',
      },
    ],
    judge: ['test/system/projects.test.ts', 'since its renaming was accepted'],
  },
  {
    name: 'update-of-seen',
    what: 'an update undoes what another one has done since it looked',
    patches: [
      {
        file: 'src/services/instances.ts',
        from: "{ change: 'keep', noun: 'instance', uuid: now.uuid, rev: now.rev },",
        to: '',
      },
    ],
    judge: OTHERS,
  },
  {
    name: 'effect-on-seen',
    what: "a profile's change undoes what an update of an instance has done since it looked",
    patches: [
      { file: 'src/services/profile-effects.ts', from: "{ change: 'keep', noun: 'instance', uuid, rev },", to: '' },
    ],
    judge: OTHERS,
  },
  {
    name: 'deletion-of-seen',
    what: 'an instance is deleted that was protected since it was looked at',
    patches: [{ file: 'src/services/instances.ts', from: "...asSeen('instance', record) }", to: '}' }],
    judge: OTHERS,
  },
  {
    name: 'pending-files',
    what: 'a file is lost that is written while a start makes a new container',
    patches: [
      {
        file: 'src/services/instance-files.ts',
        from: 'isUnapplied(record) ? [...REPLACING, ...STARTING] : REPLACING',
        to: 'isUnapplied(record) ? [...REPLACING, ...STARTING].slice(0, 0) : REPLACING',
      },
    ],
    judge: ['test/system/files.test.ts', 'nor while a start makes'],
  },
  {
    name: 'sweeper',
    what: 'what ended operations have left stays',
    patches: [
      {
        file: 'src/sweep/sweep.ts',
        from: '...(await findLeftovers(deps, sight, deps.clock.now()))',
        to: '...(await findLeftovers(deps, sight, deps.clock.now())).slice(0, 0)',
      },
    ],
    judge: SWEEPS,
  },
  {
    name: 'undo',
    what: 'what a cancelled or failed operation has done stays',
    patches: [
      {
        file: 'workers/perform.ts',
        from: 'if (step.undo !== undefined && !course.has(name)) {',
        to: "if (step.name === '' && step.undo !== undefined && !course.has(name)) {",
      },
    ],
    judge: CRASHES,
  },
]

interface Verdict {
  name: string
  what: string
  outcome: 'noticed' | 'SURVIVED' | 'JUDGE FAILS'
  seconds: number
}

async function main(names: string[]): Promise<number> {
  const unknown = names.filter((name) => !MUTATIONS.some((one) => one.name === name))
  if (unknown.length > 0) throw new Error(`There is no mutation ${unknown.join()}; known are ${known().join()}`)
  const wanted = MUTATIONS.filter(({ name }) => names.length === 0 || names.includes(name))
  const copy = await mkdtemp(join(tmpdir(), 'windlass-mutant-'))
  try {
    await copyCheckout(copy)
    const honest = await tryJudges(copy, wanted)
    const verdicts: Verdict[] = []
    for (const mutation of wanted) {
      const verdict = await judge(copy, mutation, honest)
      verdicts.push(verdict)
      say(describe(verdict))
    }
    const bad = verdicts.filter(({ outcome }) => outcome !== 'noticed').length
    say(`mutations: ${verdicts.length} tried, ${verdicts.length - bad} noticed, ${bad} not`)
    return bad === 0 ? 0 : 1
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

function known(): string[] {
  return MUTATIONS.map(({ name }) => name)
}

/** What is under version control, and what is new; the dependencies as they are. */
async function copyCheckout(copy: string): Promise<void> {
  const listed = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const { stdout } = await promisify(execFile)('git', listed, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 })
  for (const file of stdout.split('\0').filter((name) => name !== '')) {
    await mkdir(dirname(join(copy, file)), { recursive: true })
    // One that was deleted and not yet committed is listed as well.
    await cp(join(ROOT, file), join(copy, file)).catch(() => undefined)
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
}

/** Judges that pass while nothing is missing. */
async function tryJudges(copy: string, mutations: readonly Mutation[]): Promise<Set<Judge>> {
  const honest = new Set<Judge>()
  for (const one of new Set(mutations.map((mutation) => mutation.judge))) {
    const passes = await run(copy, one)
    if (passes) honest.add(one)
    say(`${one.join(': ')} ${passes ? 'passes' : 'FAILS'} with nothing taken out`)
  }
  return honest
}

async function judge(copy: string, mutation: Mutation, honest: Set<Judge>): Promise<Verdict> {
  const { name, what } = mutation
  const began = performance.now()
  const originals = new Map<string, string>()
  try {
    for (const patch of mutation.patches) await apply(copy, patch, originals)
    if (!honest.has(mutation.judge)) return { name, what, outcome: 'JUDGE FAILS', seconds: 0 }
    const passes = await run(copy, mutation.judge)
    const seconds = Math.round((performance.now() - began) / 1000)
    return { name, what, outcome: passes ? 'SURVIVED' : 'noticed', seconds }
  } finally {
    for (const [file, text] of originals) await writeFile(join(copy, file), text)
  }
}

async function apply(copy: string, { file, from, to }: Patch, originals: Map<string, string>): Promise<void> {
  const text = await readFile(join(copy, file), 'utf8')
  const found = text.split(from).length - 1
  if (found !== 1) throw new Error(`${file} has this ${found} times, not once; the mutation has to follow it: ${from}`)
  if (!originals.has(file)) originals.set(file, text)
  await writeFile(
    join(copy, file),
    text.replace(from, () => to),
  )
}

/** Whether the judge passes. One that runs no test at all has not passed. */
async function run(copy: string, [file, test]: Judge): Promise<boolean> {
  const vitest = join(copy, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [
    vitest,
    'run',
    file,
    '--reporter=dot',
    '--no-passWithNoTests',
    ...(test === undefined ? [] : ['-t', test]),
  ]
  const child = spawn(process.execPath, args, { cwd: copy, stdio: 'ignore' })
  const [code]: (number | null)[] = await once(child, 'exit')
  return code === 0
}

function describe({ name, what, outcome, seconds }: Verdict): string {
  return `${name.padEnd(18)} ${outcome.padEnd(12)} ${String(seconds).padStart(4)} s  ${what}`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

process.exitCode = await main(process.argv.slice(2))
