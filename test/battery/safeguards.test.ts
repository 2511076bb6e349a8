import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MUTATIONS } from './safeguards.ts'

const read = (file: string) => readFile(join(import.meta.dirname, '..', '..', file), 'utf8')

test.each(MUTATIONS)(
  'safeguard $name is where the mutation takes it out, and its judge where it looks',
  async (one) => {
    for (const { file, from } of one.patches) expect((await read(file)).split(from), file).toHaveLength(2)
    const [file, name = ''] = one.judge
    expect(await read(file)).toContain(name)
  },
)
