import { Failure } from '@holdfast/base/failure'
import type { CommandSpec } from '../command.ts'
import { completionScript, SHELLS } from '../completion.ts'

/** Made with the list that holds it, so that it completes itself too. */
export function completionCommand(specs: () => Promise<readonly CommandSpec[]>): CommandSpec {
  return {
    path: ['completion'],
    summary: 'Print a script that completes hold in a shell',
    arguments: [{ name: 'SHELL', presence: 'required', about: SHELLS.join(', ') }],
    options: [],
    examples: [
      { line: 'completion bash > /etc/bash_completion.d/hold', shows: 'for every bash of this machine' },
      { line: 'completion fish | source', shows: 'for this fish' },
    ],
    async run(context, given) {
      const shell = SHELLS.find((known) => known === given.argument('SHELL'))
      if (shell === undefined) {
        throw new Failure(
          'invalid-argument',
          `completion is made for ${SHELLS.join(', ')}, not ${given.argument('SHELL')}`,
        )
      }
      await context.output.write(completionScript(shell, await specs()))
      return undefined
    },
  }
}
