/** What everything is made from. */

/** The alias under which the tiny image is known. */
export const IMAGE = 'tiny'

/** The body of `POST /1.0/instances` for an instance of the image. */
export function newInstance(name: string) {
  return { name, source: { type: 'image', alias: IMAGE } }
}
