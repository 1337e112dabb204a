import type { Begun, IncomingPage, SessionPosition, SessionStore } from '../../src/session/position.ts'

/** Of an agent that has been at no hub. */
export const freshPosition: SessionPosition = {
  sessionIdentifier: undefined,
  generation: 0,
  claim: 'claim',
  start: 1,
  rx: undefined,
  tx: undefined,
}

/** Where an agent of the herd stands, in memory: it has nothing to say, and ten thousand of them are to fit. */
export class LightSessionStore implements SessionStore {
  #position: SessionPosition = freshPosition

  position(): SessionPosition {
    return this.#position
  }

  async begin(begun: Begun): Promise<void> {
    const { rx, tx } = this.#position
    this.#position = {
      ...this.#position,
      sessionIdentifier: begun.sessionIdentifier,
      generation: begun.generation,
      rx:
        rx?.epoch === begun.streamEpoch
          ? rx
          : { epoch: begun.streamEpoch, offset: begun.next - 1, lastId: undefined },
      tx:
        tx?.producerEpoch === begun.producerEpoch
          ? tx
          : { producerEpoch: begun.producerEpoch, nextSeq: 1, lastAcked: undefined },
    }
  }

  async accept({ epoch, through }: IncomingPage): Promise<void> {
    this.#position = { ...this.#position, rx: { epoch, offset: through.offset, lastId: through.id } }
  }

  pending(): readonly [] {
    return []
  }

  async settle(): Promise<void> {}

  async forgetNumbering(): Promise<void> {
    this.#position = { ...this.#position, tx: undefined }
  }

  disconnected(): void {}
}
