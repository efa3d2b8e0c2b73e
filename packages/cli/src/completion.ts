import type { CommandSpec } from './command.ts'
import { GROUPS, OUTPUT_OPTIONS } from './program.ts'

export type Shell = 'bash' | 'zsh' | 'fish'
export const SHELLS: readonly Shell[] = ['bash', 'zsh', 'fish']

/** A script that completes commands and options in a shell; arguments are completed as file names. */
export function completionScript(shell: Shell, specs: readonly CommandSpec[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(specs)
    case 'zsh':
      return `#compdef hold\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(specs)}`
    case 'fish':
      return fishScript(specs)
  }
}

/** What may stand behind `hold` and behind each group. */
function wordsAfter(specs: readonly CommandSpec[], group: string | undefined): string[] {
  const words = specs.flatMap(({ path }) => {
    if (group === undefined) return path.slice(0, 1)
    return path[0] === group ? path.slice(1, 2) : []
  })
  return [...new Set(words)]
}

function optionsOf(spec: CommandSpec): string[] {
  return [...spec.options, ...OUTPUT_OPTIONS].flatMap(({ flags }) => flags.match(/--?[a-z-]+/g) ?? [])
}

function bashScript(specs: readonly CommandSpec[]): string {
  const groups = Object.keys(GROUPS)
  const cases = specs.map(
    (spec) => `    '${spec.path.join(' ')} '*) options='${[...optionsOf(spec), '--help'].join(' ')}' ;;`,
  )
  const words = [
    `  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W '${wordsAfter(specs, undefined).join(' ')} --help' -- "$word")); return; fi`,
    ...groups.map(
      (group) =>
        `  if [ "$COMP_CWORD" -eq 2 ] && [ "\${COMP_WORDS[1]}" = ${group} ]; then COMPREPLY=($(compgen -W '${wordsAfter(specs, group).join(' ')} --help' -- "$word")); return; fi`,
    ),
  ]
  return `# bash completion of hold: hold completion bash > /etc/bash_completion.d/hold
_hold() {
  local word options
  word=\${COMP_WORDS[COMP_CWORD]}
${words.join('\n')}
  case "\${COMP_WORDS[*]:1} " in
${cases.join('\n')}
    *) options='--help' ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) compopt -o default 2>/dev/null; COMPREPLY=() ;;
  esac
}
complete -F _hold hold
`
}

function fishScript(specs: readonly CommandSpec[]): string {
  const top = wordsAfter(specs, undefined).map((word) => {
    const about = GROUPS[word] ?? specs.find(({ path }) => path[0] === word)?.summary ?? ''
    return `complete -c hold -n __fish_use_subcommand -f -a ${word} -d '${quote(about)}'`
  })
  const below = specs
    .filter(({ path }) => path.length === 2)
    .map(({ path, summary }) => {
      const [group = '', word = ''] = path
      const unseen = `__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${wordsAfter(specs, group).join(' ')}`
      return `complete -c hold -n '${unseen}' -f -a ${word} -d '${quote(summary)}'`
    })
  const options = specs.flatMap((spec) =>
    [...spec.options, ...OUTPUT_OPTIONS].map(({ flags, about }) => {
      const short = /(?:^|\s)-([a-z])\b/.exec(flags)?.[1]
      const long = /--([a-z-]+)/.exec(flags)?.[1]
      const value = flags.includes('<') ? ' -r' : ''
      const seen = spec.path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
      return `complete -c hold -n '${seen}'${short ? ` -s ${short}` : ''}${long ? ` -l ${long}` : ''}${value} -d '${quote(about)}'`
    }),
  )
  return `# fish completion of hold: hold completion fish > ~/.config/fish/completions/hold.fish
${[...top, ...below, ...options].join('\n')}
`
}

function quote(text: string): string {
  return text.replace(/['\\]/g, '\\$&')
}
