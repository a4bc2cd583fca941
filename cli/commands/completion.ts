import type { Argv } from 'yargs';
import { print } from '../output.ts';

// Both ask the command itself, so they never lag behind it. It tells names with descriptions where SHELL is zsh.
const BASH = `# eval "$(sluice completion bash)"
_sluice() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(SHELL=bash sluice --get-yargs-completions "\${COMP_WORDS[@]}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o filenames -F _sluice sluice
`;

const ZSH = `#compdef sluice
# eval "$(sluice completion zsh)"
_sluice() {
  local -a found
  found=("\${(@f)$(SHELL=zsh sluice --get-yargs-completions "\${words[@]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then _describe 'sluice' found; else _files; fi
}
compdef _sluice sluice
`;

export function addCompletion(yargs: Argv): Argv {
  return yargs.command(
    'completion [shell]',
    'Print a script that completes sluice commands',
    (command) =>
      command
        .positional('shell', { choices: ['bash', 'zsh'] as const, describe: 'The shell; default: the one of $SHELL' })
        .example('eval "$(sluice completion bash)"', 'complete in this shell'),
    async ({ shell }) => {
      const wanted = shell ?? (process.env['SHELL']?.endsWith('zsh') ? 'zsh' : 'bash');
      await print(wanted === 'zsh' ? ZSH : BASH);
    },
  );
}
