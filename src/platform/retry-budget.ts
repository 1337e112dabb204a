/** Why a call is to be made again: after a time-out what is in trouble still works on the first one. */
export type RetryCause = 'failure' | 'timeout'

const budgetMax = 500
const costs: Readonly<Record<RetryCause, number>> = { failure: 5, timeout: 10 }
const refund = 1

/**
 * What a client may spend on repeating calls that failed: 500, 5 for each retry, 10 for one after a time-out, and each
 * success gives 1 back. So single mishaps are always repeated, and a server in trouble that lasts gets each call once: when
 * the budget is empty (100 retries on end) what fails has failed. (The numbers are those of the SDKs of AWS.)
 */
export class RetryBudget {
  #left = budgetMax

  get left(): number {
    return this.#left
  }

  /** Takes what a retry costs; false where there is not enough, and nothing is to be repeated. */
  take(cause: RetryCause): boolean {
    if (this.#left < costs[cause]) return false
    this.#left -= costs[cause]
    return true
  }

  succeeded(): void {
    this.#left = Math.min(budgetMax, this.#left + refund)
  }

  /** What the error of a call that was not repeated for want of it says besides; else empty. */
  get note(): string {
    const isEmpty = this.#left < costs.timeout
    return isEmpty ? '; it is not repeated, since too many calls have failed (the retry budget is empty)' : ''
  }
}
