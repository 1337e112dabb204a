import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPaths, type ServiceSpec } from '../../../../src/daemon/service/spec.ts'
import { readUnit, systemdUnit } from '../../../../src/daemon/service/systemd-unit.ts'

const ada = { name: 'ada', uid: 1000, gid: 1000, home: '/home/ada' }
const spec: ServiceSpec = {
  scope: 'user',
  name: 'perdura',
  home: '/home/ada/.local/state/perdura',
  node: '/usr/bin/node',
  program: '/usr/lib/node_modules/perdura/bin/perdura.mjs',
  account: ada,
  stopSeconds: 60,
}

test('the unit of a person, for systemd 252', () => {
  assert.equal(
    systemdUnit(spec, 252),
    `# Written by \`perdura service install\`, which replaces it when it is run again: what you want otherwise belongs into a
# file beside it (systemctl --user edit perdura).
[Unit]
Description=Perdura, which keeps the agents in /home/ada/.local/state/perdura running
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart=/usr/bin/node /usr/lib/node_modules/perdura/bin/perdura.mjs daemon run --home /home/ada/.local/state/perdura
ExecReload=/bin/sh -c 'kill -HUP $MAINPID'
ExecStopPost=-/usr/bin/node /usr/lib/node_modules/perdura/bin/perdura.mjs service sweep --home /home/ada/.local/state/perdura --name perdura
KillMode=process
TimeoutStartSec=90
TimeoutStopSec=60
TimeoutAbortSec=5
WatchdogSec=30
Restart=always
RestartPreventExitStatus=78
RestartSec=2s
OOMPolicy=continue
Environment=PATH=/usr/bin:/home/ada/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin PERDURA_SERVICE=systemd:user:perdura
EnvironmentFile=-/home/ada/.local/state/perdura/service.env
WorkingDirectory=/home/ada/.local/state/perdura
UMask=0077
LimitNOFILE=65536
LimitCORE=0
SyslogIdentifier=perdura
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target

[X-Perdura]
Installed={"home":"/home/ada/.local/state/perdura","node":"/usr/bin/node","program":"/usr/lib/node_modules/perdura/bin/perdura.mjs","account":"ada","stopSeconds":60}
`,
  )
})

test('a service of the machine is confined, and has its home to write', () => {
  const unit = systemdUnit({ ...spec, scope: 'system' }, 257)
  const lines = unit.split('\n')
  for (const line of [
    'Type=notify-reload',
    'NotifyAccess=main',
    'OpenFile=/run/systemd/notify:perdura-notify',
    'RestartSteps=10',
    'User=ada',
    'ProtectSystem=strict',
    'ReadWritePaths=/home/ada/.local/state/perdura /tmp /var/tmp',
    'RequiresMountsFor=/home/ada/.local/state/perdura',
    'WantedBy=multi-user.target',
  ])
    assert.ok(lines.includes(line), line)
  // The JIT of Node writes what it executes.
  assert.doesNotMatch(unit, /MemoryDenyWriteExecute/)
})

test('an older systemd gets no line that it does not know', () => {
  const old = systemdUnit({ ...spec, scope: 'system' }, 241)
  for (const name of ['OpenFile', 'RestartSteps', 'OOMPolicy', 'ImportCredential', 'ProtectClock'])
    assert.doesNotMatch(old, new RegExp(`^${name}=`, 'm'))
  assert.match(old, /^RestartSec=2s$/m)
})

test('exotic paths are written so that they stay what they are', () => {
  const home = `/srv/my "agents"/100% $HOME\\x's`
  const unit = systemdUnit({ ...spec, scope: 'system', home, node: '/opt/no de/$v/node' }, 252)
  assert.match(
    unit,
    /^ExecStart="\/opt\/no de\/\$v\/node" .*? --home "\/srv\/my \\"agents\\"\/100%% \$\$HOME\\\\x's"$/m,
  )
  assert.match(unit, /^ReadWritePaths="\/srv\/my \\"agents\\"\/100%% \$HOME\\\\x's" \/tmp \/var\/tmp$/m)
  assert.match(unit, /^WorkingDirectory=\/srv\/my "agents"\/100%% \$HOME\\x's$/m)
  assert.deepEqual(readUnit(unit), {
    home,
    node: '/opt/no de/$v/node',
    program: spec.program,
    account: 'ada',
    stopSeconds: 60,
  })
})

test('a unit of somebody else is not taken for ours', () => {
  assert.equal(readUnit('[Service]\nExecStart=/usr/bin/perdura daemon run\n'), null)
  assert.equal(readUnit('[X-Perdura]\nInstalled={"home":1}\n'), null)
})

test('paths that no unit can carry are refused', () => {
  for (const home of ['relative', '/a\nExecStart=/bin/sh', '/a\\', '/a '])
    assert.throws(() => checkPaths({ ...spec, home }), { code: 'ERR_USAGE' })
  assert.throws(() => checkPaths({ ...spec, node: `/it's/node` }), { code: 'ERR_USAGE' })
  checkPaths({ ...spec, home: `/a b"'\\%$c` })
})
