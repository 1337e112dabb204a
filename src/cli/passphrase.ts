import { PerduraError } from '../errors.ts'
import type { Call } from './call.ts'

const lengthMin = 8
const bytesMax = 1_024

/** The passphrase in the file that `--passphrase-file` names, without the end of its line; undefined without the option. */
export function readPassphrase(call: Call): string | undefined {
  const path = call.text('passphrase-file')
  if (path === undefined) return undefined
  const bytes = call.disk.readFile(path)
  if (bytes === undefined)
    throw new PerduraError('ERR_USAGE', `there is no file ${path} to read the passphrase from`)
  if (bytes.length > bytesMax)
    throw new PerduraError('ERR_USAGE', `${path} has more than ${bytesMax} bytes: it is no passphrase`)
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/\r?\n$/, '')
  if (text.length >= lengthMin) return text
  throw new PerduraError(
    'ERR_USAGE',
    `the passphrase in ${path} has fewer than ${lengthMin} characters: take a longer one`,
  )
}
