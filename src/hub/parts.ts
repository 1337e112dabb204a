import { createAdmission } from './admission/admission.ts'
import { standing } from './auth/families.ts'
import { acknowledge } from './cursor.ts'
import { release } from './holder.ts'
import { publishInOrder, publishOnce } from './publishing.ts'
import { resume } from './resume.ts'
import { expireEntries, fetchEntries } from './lifetimes.ts'
import { readPage } from './streams.ts'

/** The decisions that a hub is made of; a simulation can swap one for a broken one, to see that it notices. */
export interface HubParts {
  readonly resume: typeof resume
  readonly publishInOrder: typeof publishInOrder
  readonly publishOnce: typeof publishOnce
  readonly acknowledge: typeof acknowledge
  readonly readPage: typeof readPage
  readonly fetchEntries: typeof fetchEntries
  readonly expireEntries: typeof expireEntries
  readonly standing: typeof standing
  readonly release: typeof release
  readonly createAdmission: typeof createAdmission
}

export const hubParts: HubParts = {
  resume,
  publishInOrder,
  publishOnce,
  acknowledge,
  readPage,
  fetchEntries,
  expireEntries,
  standing,
  release,
  createAdmission,
}
