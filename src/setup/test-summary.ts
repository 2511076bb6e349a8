import { readFile } from 'node:fs/promises'

/** How many tests passed, failed and were left out. */
export interface TestCounts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

interface TestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly success: boolean
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly { status: string }[] }[]
}

/** Counts a report of vitest; a file that failed without a failed test (it could not be loaded) counts as one. */
export function countTests(report: TestReport): TestCounts {
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length
  const failed = report.numFailedTests + unloaded
  return {
    passed: report.numPassedTests,
    // An error outside of any test fails the run as well.
    failed: failed === 0 && !report.success ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

/** Reads the report file; none counts as one failure. */
export async function readCounts(path: string): Promise<TestCounts> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text === undefined ? { passed: 0, failed: 1, skipped: 0 } : countTests(JSON.parse(text))
}

/** The last line of a test run. */
export function describeCounts({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
