import { expect, test } from 'vitest'
import { countListedFiles } from '../../../src/setup/check.ts'
import { countTests, describeCounts } from '../../../src/setup/test-summary.ts'

const none = {
  numPassedTests: 0,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  success: true,
  testResults: [],
}
const passed = { status: 'passed', assertionResults: [{ status: 'passed' }] }

test.each([
  { name: 'all good', report: { ...none, numPassedTests: 3, testResults: [passed] }, line: '3 passed, 0 failed' },
  {
    name: 'skipped',
    report: { ...none, numPassedTests: 3, numPendingTests: 1, numTodoTests: 1 },
    line: '3 passed, 0 failed, 2 skipped',
  },
  {
    name: 'a failed test counts once',
    report: {
      ...none,
      numFailedTests: 1,
      success: false,
      testResults: [{ status: 'failed', assertionResults: [{ status: 'failed' }] }],
    },
    line: '0 passed, 1 failed',
  },
  {
    name: 'a file that could not be loaded counts',
    report: {
      ...none,
      numPassedTests: 2,
      success: false,
      testResults: [passed, { status: 'failed', assertionResults: [] }],
    },
    line: '2 passed, 1 failed',
  },
  {
    name: 'an error outside of tests counts',
    report: { ...none, numPassedTests: 2, success: false },
    line: '2 passed, 1 failed',
  },
])('$name', ({ report, line }) => {
  expect(describeCounts(countTests(report))).toBe(line)
})

test('only files of ours count as checked', () => {
  expect(
    countListedFiles('/w/node_modules/a/b.d.ts\n/w/src/a.ts\nsrc/a.ts(1,1): error TS1: /w/x\n/w/test/b.ts\n'),
  ).toBe(2)
})
