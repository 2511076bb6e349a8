/** The safeguards of the product, each with how it is taken out and which test has to notice that. */
export interface Patch {
  file: string
  /** Must be there exactly once. */
  from: string
  to: string
}

/** A test file, and the test in it, that is to notice. */
export type Judge = readonly [file: string, test?: string]

export interface Mutation {
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

export const MUTATIONS: readonly Mutation[] = [
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
