import type { CertificateRecord, TokenRecord } from '../contract/records.ts'
import type { RecordChange, RecordReader } from './ports.ts'

/** The changes by which tokens and certificates that are bound to projects follow those. */
export async function rebound(
  records: Pick<RecordReader, 'list'>,
  toProjects: (projects: string[]) => string[],
): Promise<RecordChange[]> {
  const [tokens, certificates] = await Promise.all([records.list('token'), records.list('certificate')])
  return [
    ...moved(tokens, toProjects).map((record): RecordChange => ({ change: 'put', noun: 'token', record })),
    ...moved(certificates, toProjects).map((record): RecordChange => ({ change: 'put', noun: 'certificate', record })),
  ]
}

function moved<R extends TokenRecord | CertificateRecord>(all: R[], toProjects: (projects: string[]) => string[]): R[] {
  return all.flatMap((record) => {
    const projects = record.projects && toProjects(record.projects)
    const isSame = projects === null || JSON.stringify(projects) === JSON.stringify(record.projects)
    return isSame ? [] : [{ ...record, projects }]
  })
}
