/** How Node is started for the processes of the server, so that they stay small. */

/**
 * V8 grows its young generation to three times this number of MiB, 16 if not said, and an idle process does not give it
 * back. With 4 a request costs as much processor time as with 16; with 2 lists cost a tenth more.
 */
export const NODE_FLAGS = ['--max-semi-space-size=4'] as const
