/** What a campaign gives. */
export interface CampaignResult {
  /** For `--json`. */
  readonly document: object
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** What stands below the table: paragraphs. */
  readonly notes?: readonly string[]
  /** Promises that were broken, in words. */
  readonly failures: readonly string[]
  /** Why it cannot be run on this machine; then there is nothing else. */
  readonly skipped?: string
}

/** `say` is for whoever waits; `options` are numbers by name, where they were given. */
export type Campaign = (
  say: (line: string) => void,
  options: Readonly<Record<string, number>>,
) => Promise<CampaignResult>
