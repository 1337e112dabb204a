import { toError } from '../../src/errors.ts'
import type { Campaign } from './campaign.ts'
import { agents, containerCases } from './container/cases.ts'
import { Container, whyNotHere } from './container/container.ts'
import { readRecipe } from './container/recipe.ts'

/** The container recipe of `deploy`, as an engine would run it: what the image's files say is what is run. */
export const campaign: Campaign = async (say) => {
  const why = whyNotHere()
  if (why !== undefined) return { document: {}, header: [], rows: [], failures: [], skipped: why }
  const recipe = readRecipe()
  say(`… a Debian ${recipe.suite}`)
  const container = Container.make(recipe, agents)
  const outcomes: { readonly name: string; readonly cell: string; readonly failure: string | undefined }[] =
    []
  try {
    for (const { name, run } of containerCases) {
      try {
        const tookMs = await run(container)
        const cell = tookMs === undefined ? 'yes' : `${(tookMs / 1_000).toFixed(1)} s`
        outcomes.push({ name, cell, failure: undefined })
        say(`✔ ${name}`)
      } catch (thrown) {
        // What comes after it would only fail for what has failed here.
        outcomes.push({ name, cell: 'failed', failure: toError(thrown).message })
        break
      }
    }
  } finally {
    await container.remove()
  }
  return {
    document: { outcomes },
    header: ['what happens', recipe.command.join(' ')],
    rows: outcomes.map(({ name, cell }) => [name, cell]),
    failures: outcomes.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${name}: ${failure}`])),
  }
}
