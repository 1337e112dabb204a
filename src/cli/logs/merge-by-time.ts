/**
 * Puts several sequences, each in its order, into one by their times, in batches. Of each only one batch is in memory. What has
 * the same time comes in the order of the sequences.
 */
export async function* mergeByTime<Entry extends { readonly orderMs: number }>(
  sequences: readonly AsyncIterable<readonly Entry[]>[],
): AsyncGenerator<readonly Entry[]> {
  const heads = await Promise.all(sequences.map((sequence) => Head.of(sequence)))
  try {
    for (;;) {
      const open = heads.filter((head) => head.current !== undefined)
      const [only] = open
      if (only === undefined) return
      if (open.length === 1) {
        yield only.rest()
        await only.refill()
        continue
      }
      const batch: Entry[] = []
      // As long as no batch is at its end, nothing has to be waited for.
      for (let first = earliest(open); first.current !== undefined; first = earliest(open)) {
        batch.push(first.current)
        if (first.next()) break
      }
      yield batch
      for (const head of open) await head.refill()
    }
  } finally {
    await Promise.all(heads.map((head) => head.close()))
  }
}

function earliest<Entry extends { readonly orderMs: number }>(heads: readonly Head<Entry>[]): Head<Entry> {
  return heads.reduce((best, head) =>
    (head.current?.orderMs ?? Infinity) < (best.current?.orderMs ?? Infinity) ? head : best,
  )
}

/** Where one of the sequences is. */
class Head<Entry> {
  readonly #iterator: AsyncIterator<readonly Entry[], unknown>
  #batch: readonly Entry[] = []
  #at = 0

  private constructor(sequence: AsyncIterable<readonly Entry[]>) {
    this.#iterator = sequence[Symbol.asyncIterator]()
  }

  static async of<Entry>(sequence: AsyncIterable<readonly Entry[]>): Promise<Head<Entry>> {
    const head = new Head(sequence)
    await head.refill()
    return head
  }

  /** Undefined at the end of the sequence, or of a batch until it is refilled. */
  get current(): Entry | undefined {
    return this.#batch[this.#at]
  }

  /** Goes on by one; true where the batch is at its end. */
  next(): boolean {
    this.#at += 1
    return this.#at >= this.#batch.length
  }

  rest(): readonly Entry[] {
    const rest = this.#batch.slice(this.#at)
    this.#at = this.#batch.length
    return rest
  }

  async refill(): Promise<void> {
    while (this.#at >= this.#batch.length) {
      const result: IteratorResult<readonly Entry[], unknown> = await this.#iterator.next()
      if (result.done === true) return
      this.#batch = result.value
      this.#at = 0
    }
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }
}
