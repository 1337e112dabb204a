import type { Call } from '../call.ts'
import { changePause } from '../queue-pause.ts'

export function run(call: Call): Promise<undefined> {
  return changePause(call, 'resume')
}
