import { env } from 'node:process'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { callApi } from '../../src/setup/api-client.ts'
import { debianRootTar } from '../support/debian-root.ts'
import { gitImageTar } from '../support/git-image.ts'
import type { TestWindlass } from '../support/windlass.ts'
import { hebergos, NOBODY, REPOSITORIES, REPOSITORY, start } from './hebergos-kit.ts'

let windlass: TestWindlass
const { ask, makeRunning, sh, clear } = hebergos(() => windlass)

beforeAll(async () => {
  // Its debootstrap takes longer than all the tests.
  windlass = await start(env['WINDLASS_TEST_DEBIAN'] === undefined ? gitImageTar : () => debianRootTar('git', ['git']))
}, 300_000)

afterAll(async () => {
  await using _ = windlass
  // The framework's word for an answer that was given twice.
  expect(windlass.api.output()).not.toContain('already sent')
})
afterEach(clear)

test('the current head, branches, a checkout and a fetch are clean text', async () => {
  const id = await makeRunning('web1')
  await sh('web1', REPOSITORIES)
  const at = `id=${id}&path=${REPOSITORY}`
  await ask(`GET /v1/git/head?${at}`, 200, /^commit [0-9a-f]{40}\nAuthor: n <a@b>\nDate: .*\n\n {4}first commit\n$/)
  const branches = ['main', 'origin/main', 'remotes/origin/dev', 'remotes/origin/main']
  for (const path of ['branch', 'branch/', 'branches'])
    expect((await ask(`GET /v1/git/${path}?${at}`, 200)).body).toEqual(branches)
  await ask(
    `POST /v1/git/branch?${at}&branch=dev`,
    200,
    /^branch 'dev' set up to track .*\nSwitched to a new branch 'dev'\n$/,
  )
  expect((await ask(`GET /v1/git/branch?${at}`, 200)).body).toEqual(['dev', ...branches])
  await sh('web1', 'cd /srv/origin && git branch later')
  await ask(`GET /v1/git?${at}`, 200, /\[new branch\] +later/)
  expect((await ask(`GET /v1/git/branches/?${at}`, 200)).text).toContain('remotes/origin/later')
  await ask(`PUT /v1/git?id=${id}`, 200, /^Initialized empty Git repository in \/var\/www\/html\/.git\//)
  await ask(`GET /v1/git/head?id=${id}`, 412, /does not have any commits yet/)
  const logs = (await windlass.call('GET', '/1.0/instances/web1/logs')).text
  expect(logs).not.toContain('exec_')
})

test('nothing in branch or path is an option, and no file is taken for a branch', async () => {
  const id = await makeRunning('web1')
  await sh('web1', `${REPOSITORIES}; echo changed > ${REPOSITORY}/file`)
  const at = `id=${id}&path=${REPOSITORY}`
  for (const branch of ['-f', '--orphan=x', '.', 'a..b', '%00', '@%7B-1%7D', ''])
    await ask(`POST /v1/git/branch?${at}&branch=${branch}`, 400, /is not a valid branch name/)
  await ask(`POST /v1/git/branch?${at}&branch=file`, 412, /invalid reference: file/)
  await sh('web1', `grep -q changed ${REPOSITORY}/file`)
  for (const path of ['--exec-path=/tmp', 'srv/repo', '%00/srv'])
    await ask(`GET /v1/git/head?id=${id}&path=${path}`, 400, 'path must be an absolute path in the container')
  await ask(`GET /v1/git/head?id=${id}&path=/%3Btouch%20/owned`, 412, /cannot change to/)
  await sh('web1', 'test ! -e /owned')
})

test('what git refuses is 412 with its words, and so is a container without git or one that does not run', async () => {
  const id = await makeRunning('web1')
  const plain = await makeRunning('plain', { image: 'busybox' })
  const NONE = 'fatal: not a git repository (or any of the parent directories): .git\n'
  for (const request of ['GET /v1/git', 'GET /v1/git/head', 'GET /v1/git/branch', 'GET /v1/git/branches'])
    await ask(`${request}?id=${id}&path=/tmp`, 412, NONE)
  await ask(`POST /v1/git/branch?id=${id}&path=/tmp&branch=main`, 412, NONE)
  await ask(`GET /v1/git?id=${plain}`, 412, 'Command not found')
  await ask(`GET /v1/git/head?id=${plain}`, 412, /git/)
  await ask(`POST /v1/container/stop?id=${id}`, 204)
  for (const path of ['', '/head', '/branch', '/branches'])
    await ask(`GET /v1/git${path}?id=${id}`, 412, `Container ${id} is not running`)
  await ask('GET /v1/git/head?id=nope', 412, NOBODY)
  for (const request of ['GET /v1/git', 'GET /v1/git/head', 'POST /v1/git/branch'])
    await ask(request, 400, 'missing id')
  await ask(`POST /v1/git/branch?id=${plain}`, 400, 'missing branch')
})

test('more than one MiB of output is cut', async () => {
  const id = await makeRunning('web1')
  await sh(
    'web1',
    `${REPOSITORIES}; cd ${REPOSITORY}; yes word | head -c 2000000 > /message; git commit -q --amend -F /message`,
  )
  const { text } = await ask(`GET /v1/git/head?id=${id}&path=${REPOSITORY}`, 200, /word\n/)
  expect(text).toHaveLength(1024 * 1024)
})

test('a repeat by Idempotency-Key gets what the first one got', async () => {
  const id = await makeRunning('web1')
  await sh('web1', REPOSITORIES)
  const path = `/v1/git/branch?id=${id}&path=${REPOSITORY}&branch=dev`
  const first = await windlass.call('POST', path, undefined, { 'idempotency-key': 'checkout' })
  const second = await windlass.call('POST', path, undefined, { 'idempotency-key': 'checkout' })
  expect(first).toMatchObject({ status: 200, text: expect.stringContaining("Switched to a new branch 'dev'") })
  expect(second).toMatchObject({ status: 200, text: first.text })
})

test('the branch alone is told where that is set', async () => {
  const { socket } = await windlass.startApi({ WINDLASS_HEBERGOS_BRANCH: 'current', WINDLASS_HTTP: 'off' })
  await makeRunning('web1')
  await sh('web1', REPOSITORIES)
  const answer = await callApi(socket, { method: 'GET', path: `/v1/git/branch?id=web1&path=${REPOSITORY}` })
  expect(answer).toMatchObject({ status: 200, text: 'main\n' })
})
