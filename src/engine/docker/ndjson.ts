/** Lines of JSON as an engine streams them. */
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { Failure, internal } from '../../core/failure.ts'
import { codeOf } from './errors.ts'
import { fields, type Fields, text } from './read.ts'

/** A longer line is no line of an engine. */
const MAX_LINE = 16 * 1024 * 1024

/** Every line's object; characters split over chunks stay whole. Leaving the loop destroys the source. */
export async function* readLines(source: Readable): AsyncGenerator<Fields> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  // Without an encoding the chunks of a byte stream are Buffers.
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) throw internal('Docker Engine sent a line without an end')
    for (const line of lines) if (line.trim() !== '') yield parse(line)
  }
  rest += decoder.end()
  if (rest.trim() !== '') yield parse(rest)
}

/** The same for progress: a line that tells an error ends it as a Failure, for the status was 200 long before. */
export async function* readProgress(source: Readable, doing: string): AsyncGenerator<Fields> {
  for await (const line of readLines(source)) {
    failOnError(line, doing)
    yield line
  }
}

/** The lines of an answer that was read whole, checked for errors in the same way. */
export function linesOf(body: string, doing: string): Fields[] {
  const lines = body
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(parse)
  for (const line of lines) failOnError(line, doing)
  return lines
}

function failOnError(line: Fields, doing: string): void {
  const words = text(fields(line.errorDetail).message) || text(line.error)
  if (words !== '') throw new Failure(codeOf(0, words), `Failed ${doing}: ${words}`)
}

function parse(line: string): Fields {
  try {
    return fields(JSON.parse(line))
  } catch (error) {
    throw internal('Docker Engine sent a line that is no JSON', { cause: error })
  }
}
