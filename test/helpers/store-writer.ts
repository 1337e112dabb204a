/**
 * A process that writes: `store-writer.ts <folder> <from> <to>` commits one number after the other, says each on its
 * standard output once it is acknowledged, and then stays open until it is killed.
 */
import { numbers, openTestStore, put } from './store-folder.ts'

const [folder = '', from = '1', to = '1'] = process.argv.slice(2)
const { store } = await openTestStore(folder, { limits: { segmentBytes: 65_536, cutEverySegments: 2 } })
process.stdout.write('open\n')
for (const value of numbers(Number(from), Number(to))) {
  await put(store, `${value}${'x'.repeat(500)}`, value)
  process.stdout.write(`${value}\n`)
}
process.stdin.resume()
