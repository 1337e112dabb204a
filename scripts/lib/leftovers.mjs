import { readFileSync, readdirSync } from 'node:fs'

/**
 * Ends the processes that the tests of this run started and left behind, and says which they were. They are
 * known by the run's own mark in their environment. Only Linux can tell; elsewhere there are none.
 *
 * @param {string} mark the value of PERDURA_TEST_RUN
 * @returns {{ pid: number, command: string }[]}
 */
export function killLeftovers(mark) {
  if (process.platform !== 'linux') return []
  const left = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
      if (!environment.includes(`PERDURA_TEST_RUN=${mark}`)) continue
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()
      process.kill(pid, 'SIGKILL')
      left.push({ pid, command })
    } catch {
      // it ended meanwhile, or belongs to another user
    }
  }
  return left
}
