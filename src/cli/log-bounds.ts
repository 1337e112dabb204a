import { join, relative } from 'node:path'
import type { LogFileOptions } from '../platform/node/log-file.ts'
import type { LogSettings } from '../settings/settings.ts'

/** A log of this home with its bounds. In the archive it has the same place as in the home, for there are several. */
export function boundedLog(home: string, path: string, settings: LogSettings): LogFileOptions {
  const { fileSizeMaxBytes, fileAgeMaxMs, filesMax, ageMaxMs, compress, archive } = settings
  return {
    path,
    fileBytesMax: fileSizeMaxBytes,
    fileAgeMs: fileAgeMaxMs ?? Infinity,
    filesMax,
    ageMs: ageMaxMs ?? Infinity,
    compress,
    ...(archive !== undefined && { archive: join(archive, relative(home, join(path, '..'))) }),
  }
}
