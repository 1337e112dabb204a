import type { CommandSpec, OptionSpec } from '../command.ts'

const keyFile = {
  type: 'text',
  value: '<file>',
  help: 'file with the key that backups are encrypted with (32 random characters or more)',
} as const satisfies OptionSpec

const unencrypted = {
  type: 'boolean',
  help: 'take one without a key, although the newest one is encrypted',
} as const satisfies OptionSpec

const keep = (what: string, count: number): OptionSpec => ({
  type: 'text',
  value: '<count>',
  help: `${what} that are kept (default: ${count})`,
})

/** The verbs about an agent's backups; see `commands`. */
export const backupVerbs: readonly CommandSpec[] = [
  {
    name: 'backup create',
    summary: 'take a backup of an agent, whether it runs or not, and prove it',
    arguments: '<agent>',
    takes: [1, 1],
    options: { 'key-file': keyFile, unencrypted },
    examples: ['perdura backup create Ada'],
    load: () => import('./backup-create.ts'),
  },
  {
    name: 'backup list',
    summary: 'list the backups of an agent, the newest first',
    arguments: '<agent>',
    takes: [1, 1],
    options: {},
    load: () => import('./backup-list.ts'),
  },
  {
    name: 'backup verify',
    summary: 'take backups out and check every page of what they hold',
    arguments: '<agent> [backup…]',
    takes: [1, 1_001],
    options: { 'key-file': keyFile },
    examples: ['perdura backup verify Ada'],
    load: () => import('./backup-verify.ts'),
  },
  {
    name: 'backup restore',
    summary: 'put an agent that is stopped back to a backup, which can be undone',
    arguments: '<agent> <backup>',
    takes: [2, 2],
    options: {
      'key-file': keyFile,
      unencrypted,
      replace: {
        type: 'boolean',
        help: 'although another agent of that name is there, which was started anew',
      },
      'without-undo': { type: 'boolean', help: 'take no backup of what is there now' },
    },
    examples: ['perdura backup restore Ada newest'],
    load: () => import('./backup-restore.ts'),
  },
  {
    name: 'backup prune',
    summary: 'remove the backups that nothing keeps',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      'keep-last': keep('the newest', 4),
      'keep-hourly': keep('hours', 24),
      'keep-daily': keep('days', 7),
      'keep-weekly': keep('weeks', 4),
      'keep-monthly': keep('months', 12),
      'dry-run': { type: 'boolean', help: 'only say what would be removed' },
    },
    examples: ['perdura backup prune Ada --keep-daily 30 --dry-run'],
    load: () => import('./backup-prune.ts'),
  },
]
