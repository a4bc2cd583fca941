import { formatSettingsProblem, loadSettings, type Settings } from '../settings/index.ts';
import { CliError } from './cli-error.ts';

/**
 * The settings of a file, or the defaults without one.
 * @throws CliError `usage` that names all that is wrong
 */
export async function requireSettings(file: string | undefined): Promise<Settings> {
  const result = await loadSettings(file);
  if ('settings' in result) return result.settings;
  throw new CliError('usage', ['the settings file is not valid', ...result.problems.map(formatSettingsProblem)].join('\n  '));
}
