import { describe, expect, test } from 'vitest'
import * as git from '../../../src/dialects/hebergos/git.ts'

const here = { path: undefined }

describe('branches', () => {
  test.each(['main', 'feature/x-1', 'v1.0', 'remotes/origin/dev', 'ünïcode', 'a@b', 'HEAD'])('%s is one', (branch) => {
    expect(git.checkout(here, branch)).toEqual(['git', 'checkout', branch, '--'])
  })

  const refused = [
    '',
    '-f',
    '--orphan=x',
    '.',
    '..',
    './x',
    'a..b',
    'a b',
    'a\nb',
    'a\0b',
    'a~1',
    'a^',
    'a:b',
    '@',
    '@{-1}',
  ]
  const more = ['a?', '*', '[a', 'a\\b', '/a', 'a/', 'a//b', 'a.', 'a.lock', 'a.lock/b', '.a', 'b/.a', 'a'.repeat(256)]
  test.each([...refused, ...more])('%j is none', (branch) => {
    expect(() => git.checkout(here, branch)).toThrow('is not a valid branch name')
  })
})

describe('paths', () => {
  test('a path is the word after -C, whatever it looks like', () => {
    expect(git.head({ path: '/srv/-x; rm' })).toEqual(['git', '-C', '/srv/-x; rm', 'log', '--no-color', '-1'])
    expect(git.head({ path: '' })).toEqual(['git', 'log', '--no-color', '-1'])
  })

  test.each(['srv', '--exec-path=/tmp', '/a\0b', '-'])('%j is refused', (path) => {
    expect(() => git.fetchAll({ path })).toThrow('path must be an absolute path')
  })
})

test('branches are the last words of lines, without a detached head', () => {
  const stdout = '* (HEAD detached at 4b0966e)\n  dev\n+ other\n  remotes/origin/HEAD -> origin/main\n\n'
  expect(git.toBranches(stdout)).toEqual(['dev', 'other', 'origin/main'])
})
