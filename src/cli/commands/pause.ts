import type { Call } from '../call.ts'
import { changeRest } from '../queue-pause.ts'

export function run(call: Call): Promise<number> {
  return changeRest(call, 'pause')
}
