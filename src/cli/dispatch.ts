import { PerduraError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import { parseCommandLine, type Parsed } from './args.ts'
import { commands } from './commands/index.ts'
import { Output, wantsColour } from './output.ts'

/** Runs one command line in this process. Resolves to its exit code; what it has to say, errors too, is said. */
export async function dispatch(argv: readonly string[]): Promise<number> {
  const environment = process.env
  const { stdout, stderr } = process
  const outputFor = (options: { json: boolean; quiet: boolean; noColour: boolean }): Output =>
    new Output({
      ...options,
      colour: {
        stdout: wantsColour(stdout, environment, options.noColour),
        stderr: wantsColour(stderr, environment, options.noColour),
      },
      stdout,
      stderr,
    })
  // Until the command line is understood; it may be wrong, and the error must come out as it was asked for.
  let output = outputFor({
    json: argv.includes('--json'),
    quiet: false,
    noColour: argv.includes('--no-color'),
  })
  let brokenPipe = (): void => {
    process.exit(exitCodes.fine)
  }
  survivesBrokenPipes(() => brokenPipe())
  try {
    const parsed = await parse(argv)
    const { json, quiet, 'no-color': noColour } = parsed.values
    output = outputFor({ json: json === true, quiet: quiet === true, noColour: noColour === true })
    if (parsed.kind === 'help') {
      const { helpText } = await import('./help.ts')
      const text = helpText(parsed.topic, commands)
      output.line(text)
      output.document({ help: text })
      return exitCodes.fine
    }
    const { Call } = await import('./call.ts')
    const command = parsed.kind === 'version' ? versionCommand() : parsed.command
    const call = new Call({
      verb: command.name,
      arguments: parsed.kind === 'version' ? [] : parsed.arguments,
      values: parsed.values,
      output,
      environment,
    })
    brokenPipe = () => (call.onBrokenPipe === undefined ? process.exit(exitCodes.fine) : call.onBrokenPipe())
    const { run } = await command.load()
    return (await run(call)) ?? exitCodes.fine
  } catch (error) {
    output.failure(error)
    return error instanceof PerduraError ? error.exitCode : exitCodes.failed
  }
}

async function parse(argv: readonly string[]): Promise<Parsed> {
  try {
    return parseCommandLine(argv, commands)
  } catch (error) {
    // A verb that does not exist is the one mistake that needs the list of them all to help with.
    const verb = /^there is no verb "([^"]*)"$/.exec((error as Error).message)?.[1]
    if (verb === undefined) throw error
    const { unknownVerb } = await import('./help.ts')
    throw unknownVerb(verb, commands)
  }
}

function versionCommand(): (typeof commands)[number] {
  return commands.find((command) => command.name === 'version') as (typeof commands)[number]
}

/** `perdura … | head`: a reader that went away is no error, and neither is a terminal that was closed (EIO). */
function survivesBrokenPipes(onBroken: () => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
      if (stream === process.stdout) onBroken()
    })
  }
}
