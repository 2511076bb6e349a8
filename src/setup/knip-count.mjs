// A reporter for knip that says how many files it has looked at, so that a run over nothing does not pass.
// oxlint-disable-next-line import/no-default-export -- knip takes a reporter's default export
export default function countFiles({ counters }) {
  process.stdout.write(`inspected ${counters.processed} files\n`)
}
