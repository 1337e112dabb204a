/** What a campaign gives. */
export interface CampaignResult {
  /** For `--json`. */
  readonly document: object
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Promises that were broken, in words. */
  readonly failures: readonly string[]
}

/** `say` is for whoever waits. */
export type Campaign = (say: (line: string) => void) => Promise<CampaignResult>
