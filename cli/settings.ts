import type { Settings } from '../settings/index.ts';
import { CliError } from './cli-error.ts';

/**
 * The settings of a file, or the defaults without one.
 * @throws CliError `usage` that names all that is wrong
 */
export async function requireSettings(file: string | undefined): Promise<Settings> {
  const { formatSettingsProblem, loadSettings } = await import('../settings/index.ts');
  const result = await loadSettings(file);
  if ('settings' in result) {
    await requirePrivileges(result.settings.envoyConfig.allow, file ?? '');
    if (file !== undefined) {
      await requireMetrics(result.settings.metrics, file);
      await requireFilters(result.settings.flows.export, file);
    }
    return result.settings;
  }
  throw invalid(result.problems.map(formatSettingsProblem));
}

const USELESS = {
  unknown: 'is no message of Envoy, nor a field of one',
  never: 'is what no CiliumEnvoyConfig may use',
} as const;

/** What lets in nothing was meant to let in something else; but for what an older Envoy had no room for otherwise. */
async function requirePrivileges(list: readonly string[], file: string): Promise<void> {
  if (list.length === 0) return;
  const [{ uselessPrivileges }, { envoyRegistry }] = await Promise.all([
    import('../envoy-config/privileges/useless-privileges.ts'),
    import('@sluice/envoy-protos/registry.js'),
  ]);
  const problems = uselessPrivileges(list, envoyRegistry()).flatMap(({ name, problem }) =>
    problem === 'harmless' ? [] : [`${file} envoyConfig.allow: ${JSON.stringify(name)} ${USELESS[problem]}`],
  );
  if (problems.length > 0) throw invalid(problems);
}

async function requireMetrics({ flows }: Settings['metrics'], file: string): Promise<void> {
  const { problemsOfMetrics } = await import('../flows/metrics/read-metric.ts');
  const problems = problemsOfMetrics(flows).map(({ index, problem }) => `${file} metrics.flows[${index}]: ${problem.message}`);
  if (problems.length > 0) throw invalid(problems);
}

async function requireFilters({ allow, deny }: Settings['flows']['export'], file: string): Promise<void> {
  if (allow.length + deny.length === 0) return;
  const { readExportFilters } = await import('../flows/otel/export-filters.ts');
  const read = readExportFilters({ allow, deny });
  if ('problem' in read) throw invalid([`${file} flows.export.${read.field}: ${read.problem}`]);
}

function invalid(problems: readonly string[]): CliError {
  return new CliError('usage', ['the settings file is not valid', ...problems].join('\n  '));
}
