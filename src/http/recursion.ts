/** How much of each object a list shows; what is not a number counts as 0, as in LXD. */
export function recursionOf({ recursion }: { recursion?: string | undefined }): number {
  const number = Number.parseInt(recursion ?? '0', 10)
  return Number.isNaN(number) ? 0 : number
}
