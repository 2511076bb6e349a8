/**
 * Splits a command line into words as a POSIX shell quotes them: single quotes take everything, in double quotes and
 * outside a backslash takes the next character (in double quotes only before `"`, `\`, `$` and a backquote).
 * Nothing is expanded. undefined when a quote or a backslash has no end.
 */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = []
  let rest = line.trimStart()
  while (rest !== '') {
    const word = readWord(rest)
    if (word === undefined) return undefined
    words.push(word.text)
    rest = rest.slice(word.length).trimStart()
  }
  return words
}

// One piece of a word: '…', "…", \c or a run of plain characters.
const PIECE = /'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\]+)/y

function readWord(from: string): { text: string; length: number } | undefined {
  let text = ''
  let position = 0
  while (position < from.length && !/\s/.test(from.charAt(position))) {
    PIECE.lastIndex = position
    const match = PIECE.exec(from)
    if (match === null) return undefined
    const [whole, single, double, escaped, plain] = match
    text += single ?? double?.replace(/\\(["\\$`\n])/g, '$1') ?? escaped ?? plain ?? ''
    position += whole.length
  }
  return { text, length: position }
}
