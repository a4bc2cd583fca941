import { CliError } from '../cli-error.ts';

const NOT = '--not';
/** What an option begins with that says what is not wanted. */
export const NEGATED = 'not-';

/**
 * `--not --verdict dropped` as one option, as Hubble's client has it: what stands after `--not` is not wanted.
 * @throws CliError `usage` where no option does
 */
export function joinNegated(args: readonly string[]): readonly string[] {
  return args.flatMap((arg, index) => {
    if (arg === NOT) {
      if (args[index + 1]?.startsWith('--')) return [];
      throw new CliError('usage', '--not stands before the option that it is about (see: sluice observe --help)');
    }
    return args[index - 1] === NOT ? [`--${NEGATED}${arg.slice('--'.length)}`] : [arg];
  });
}
