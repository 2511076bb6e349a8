import { expect, test } from 'vitest'
import { toUploadInfo } from '../../../src/http/upload-headers.ts'

test('what lxc says of an upload', () => {
  expect(
    toUploadInfo({
      'x-lxd-filename': 'tiny.tar.gz',
      'x-lxd-public': 'true',
      'x-lxd-properties': 'description=Tiny+image&os=busy%20box',
      'x-lxd-fingerprint': 'abc',
      'x-lxd-aliases': 'name=tiny&name=small',
    }),
  ).toEqual({
    filename: 'tiny.tar.gz',
    public: true,
    properties: { description: 'Tiny image', os: 'busy box' },
    fingerprint: 'abc',
    aliases: [{ name: 'tiny' }, { name: 'small' }],
  })
  expect(toUploadInfo({})).toEqual({
    filename: undefined,
    public: false,
    properties: {},
    fingerprint: undefined,
    aliases: [],
  })
})
