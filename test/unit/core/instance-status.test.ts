import { describe, expect, test } from 'vitest'
import * as rules from '../../../src/core/instance-status.ts'

describe('instanceStatus', () => {
  test.each([
    ['created', 'Stopped', 102],
    ['exited', 'Stopped', 102],
    ['running', 'Running', 103],
    ['restarting', 'Running', 103],
    ['paused', 'Frozen', 110],
    ['dead', 'Error', 112],
    ['removing', 'Error', 112],
  ] as const)('%s is %s', (status, name, code) => {
    expect(rules.instanceStatus({ container: 'x' }, { status })).toEqual({ status: name, code })
  })

  test('a lost container is an error, one not yet made is stopped', () => {
    expect(rules.instanceStatus({ container: 'x' }, undefined).status).toBe('Error')
    expect(rules.instanceStatus({ container: '' }, undefined).status).toBe('Stopped')
  })
})

describe('checkAction', () => {
  test.each([
    ['start', 'Running', 'The instance is already running'],
    ['stop', 'Stopped', 'The instance is already stopped'],
    ['freeze', 'Stopped', "The container isn't running"],
    ['unfreeze', 'Running', 'The container is already running'],
    ['delete', 'Running', 'Instance is running'],
    ['delete', 'Frozen', 'Instance is running'],
    ['exec', 'Stopped', 'Instance is not running'],
    ['exec', 'Frozen', 'Instance is frozen'],
    ['rename', 'Running', 'Renaming of running container not allowed'],
    ['kill', 'Stopped', 'The instance is already stopped'],
    ['stop', 'Error', 'The instance has lost its container; restore a snapshot or delete it'],
    ['start', 'Error', 'The instance has lost its container; restore a snapshot or delete it'],
  ] as const)('%s of a %s one: %s', (action, status, message) => {
    expect(() => rules.checkAction(action, status)).toThrow(expect.objectContaining({ code: 'bad-request', message }))
  })

  test.each([
    ['start', 'Stopped'],
    ['stop', 'Running'],
    ['stop', 'Frozen'],
    ['kill', 'Error'],
    ['restart', 'Running'],
    ['freeze', 'Running'],
    ['unfreeze', 'Frozen'],
    ['delete', 'Stopped'],
    ['delete', 'Error'],
    ['restore', 'Error'],
    ['restore', 'Running'],
    ['snapshot', 'Running'],
    ['copy', 'Running'],
    ['exec', 'Running'],
    ['rename', 'Stopped'],
  ] as const)('%s of a %s one is allowed', (action, status) => {
    expect(() => rules.checkAction(action, status)).not.toThrow()
  })
})

test('actions are LXD words', () => {
  expect(rules.parseStateAction('freeze')).toBe('freeze')
  expect(() => rules.parseStateAction('nosuch')).toThrow("Unknown action: 'nosuch'")
  expect(() => rules.parseStateAction('')).toThrow("Unknown action: ''")
})

test('a protected instance is not deleted', () => {
  expect(() => rules.checkProtection({ 'security.protection.delete': 'true' })).toThrow('Container is protected')
  expect(() => rules.checkProtection({ 'security.protection.delete': 'false' })).not.toThrow()
})
