import { expect, test } from 'vitest'
import { describeStart, firstCurl, readReadyNote } from '../../../src/setup/describe-start.ts'

const note = {
  url: 'http://127.0.0.1:8080',
  https: 'https://127.0.0.1:8443',
  docs: 'http://127.0.0.1:8080/docs',
  socket: '/data/unix.socket',
  tokenFile: '/data/admin.token',
}

test('the token is shown only where it is given', () => {
  expect(describeStart({ note, token: 'secret-token', env: {} })).toContain('secret-token')
  const hidden = describeStart({ note, token: undefined, env: {} })
  expect(hidden).toContain('in /data/admin.token')
  expect(hidden).toContain('http://127.0.0.1:8080/docs')
  expect(hidden).toContain('https://127.0.0.1:8443 ')
})

test('the first curl reads the token from its file', () => {
  expect(firstCurl(note, {})).toBe(
    'curl -H "Authorization: Bearer $(cat /data/admin.token)" "http://127.0.0.1:8080/1.0/instances?recursion=1"',
  )
})

test('behind a proxy the first curl goes past it', () => {
  expect(firstCurl(note, { http_proxy: 'http://proxy:3128' })).toMatch(/^curl --noproxy '\*' -H /)
})

test('without HTTP, or with a token of the environment, the first curl takes the socket', () => {
  const bySocket = `curl --unix-socket /data/unix.socket "http://windlass/1.0/instances?recursion=1"`
  expect(firstCurl({ ...note, tokenFile: undefined }, {})).toBe(bySocket)
  expect(firstCurl({ ...note, url: undefined }, {})).toBe(bySocket)
})

test('odd paths are quoted', () => {
  expect(firstCurl({ ...note, tokenFile: "/my data/it's" }, {})).toContain(String.raw`$(cat '/my data/it'\''s')`)
})

test('a ready message without addresses falls back to the configured socket', () => {
  const expected = { url: undefined, https: undefined, docs: undefined, socket: '/s', tokenFile: undefined }
  expect(readReadyNote({ type: 'ready', url: 7 }, '/s')).toEqual(expected)
  expect(readReadyNote(undefined, '/s')).toEqual(expected)
})
