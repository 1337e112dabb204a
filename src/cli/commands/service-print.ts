import type { Call } from '../call.ts'
import { chooseService, specOf } from '../service-choice.ts'

export async function run(call: Call): Promise<undefined> {
  const service = await chooseService(call, 'look')
  const { manager } = service
  const text = await manager.render(specOf(call, service))
  call.output.note(`${manager.file}:`)
  call.output.line(text.trimEnd())
  call.output.document({ manager: manager.kind, file: manager.file, content: text })
}
