import type { Call } from '../call.ts'
import { Fleet } from '../fleet.ts'
import { planFleet } from '../fleet-plan.ts'

export async function run(call: Call): Promise<number> {
  if (call.text('port') !== undefined) call.count('port', 0, 65_535)
  const plan = await planFleet(call)
  try {
    return await new Fleet(call, plan).run()
  } finally {
    for (const record of plan.records) record.release()
  }
}
