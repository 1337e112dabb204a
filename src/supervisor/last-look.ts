import type { Child } from '../platform/child.ts'
import { setAwakeTimer } from '../platform/awake-timer.ts'
import type { Clock, Timer } from '../platform/clock.ts'

/** A look at a process that is to be killed is waited for so long, ms. */
const evidenceMs = 2_000
/** Then what it may have said while its supervisor was suspended is heard, ms, before it is killed. */
const lastWordMs = 100

export interface LastLookSink {
  onEvidence(evidence: string): void
  kill(): void
}

/** Takes down what can be seen of a process, and has it killed then, unless it is cancelled before. */
export function lookBeforeKill(
  clock: Pick<Clock, 'monotonicMs' | 'setTimer'>,
  child: Pick<Child, 'evidence'> | undefined,
  sink: LastLookSink,
): Timer {
  let isOver = false
  let timer = clock.setTimer(evidenceMs, () => killSoon())
  const killSoon = (): void => {
    if (isOver) return
    isOver = true
    timer.cancel()
    timer = setAwakeTimer(clock, lastWordMs, () => sink.kill())
  }
  void child?.evidence().then((evidence) => {
    if (isOver) return
    if (evidence !== undefined) sink.onEvidence(evidence)
    killSoon()
  })
  return {
    cancel() {
      isOver = true
      timer.cancel()
    },
  }
}
