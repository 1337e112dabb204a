/** The agent that `bench -- busy` keeps busy: a turn records a step and changes the state, and nothing of it piles up. */
import { defineAgent } from '../../src/index.ts'

export default defineAgent({
  name: 'Busy',

  async onMessage(message, ctx) {
    const size = await ctx.step('measure', () => ({ size: message.text.length }))
    ctx.update((state) => {
      Object.assign(state, { last: size, text: message.text })
    })
  },
})
