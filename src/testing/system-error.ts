/** An error as Node's `fs` throws it. */
export function systemError(code: string, syscall: string, target: string): Error {
  const message = `${code}: ${texts[code] ?? 'unknown error'}, ${syscall} '${target}'`
  return Object.assign(new Error(message), { code, syscall, path: target })
}

const texts: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBADF: 'bad file descriptor',
  EEXIST: 'file already exists',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  EMFILE: 'too many open files',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  EROFS: 'read-only file system',
}
