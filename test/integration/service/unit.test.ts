import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import type { ServiceScope } from '../../../src/daemon/service/spec.ts'
import { systemdUnit } from '../../../src/daemon/service/systemd-unit.ts'
import { withFolder } from '../../helpers/folder.ts'

const version = /^systemd (\d+)/.exec(
  spawnSync('systemctl', ['--version'], { encoding: 'utf8' }).stdout ?? '',
)?.[1]
const hasVerifier = version !== undefined && spawnSync('systemd-analyze', ['--version']).status === 0
const skip = hasVerifier ? false : 'needs systemd-analyze; the whole is npm run campaign -- systemd'

/** What systemd says to the unit, with programs and a home under a folder with such a name. */
function verify(folder: string, scope: ServiceScope, change = (unit: string): string => unit): string {
  const place = path.join(folder, `my "agents" 100%h $HOME 'x'`)
  // Of the program itself systemd does not take quotes.
  const node = path.join(folder, '100%h $HOME', 'node')
  const program = path.join(place, 'perdura.mjs')
  for (const file of [node, program]) fs.mkdirSync(path.dirname(file), { recursive: true })
  for (const file of [node, program]) fs.writeFileSync(file, '#!/bin/sh\n', { mode: 0o755 })
  const account = { name: 'daemon', uid: 1, gid: 1, home: '/usr/sbin' }
  const unit = systemdUnit(
    { scope, name: 'perdura', home: place, node, program, account, stopSeconds: 60 },
    Number(version),
  )
  const file = path.join(folder, 'perdura.service')
  fs.writeFileSync(file, change(unit))
  const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
  // It also verifies what the unit depends on, which is not ours.
  return `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line.includes('perdura'))
    .join('\n')
}

for (const scope of ['user', 'system'] as const)
  test(`systemd finds nothing amiss in a unit of scope ${scope} with an exotic path`, { skip }, () =>
    withFolder((folder) => assert.equal(verify(folder, scope), '')),
  )

test('and would say what is amiss', { skip }, () =>
  withFolder((folder) => {
    assert.match(
      verify(folder, 'system', (unit) => unit.replaceAll('%%', '%')),
      /No such file|not executable|Failed to resolve/,
    )
    assert.match(
      verify(folder, 'system', (unit) => unit.replace('KillMode=process', 'KillModus=process')),
      /KillModus/,
    )
  }),
)
