import type { Argv } from 'yargs';
import { configOption, httpPortOption, httpsPortOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { countSeverities, formatCounts, formatDiagnostics, locateDiagnostics, plural, SEVERITIES } from '../text/diagnostics.ts';

export function addValidate(yargs: Argv): Argv {
  return yargs.command(
    'validate <path..>',
    'Check manifests without serving them',
    (command) =>
      command
        .positional('path', {
          type: 'string',
          array: true,
          demandOption: true,
          normalize: true,
          describe: 'Files, or folders with all that is in them',
        })
        .option('output', { alias: 'o', choices: ['text', 'json'] as const, default: 'text' as const, describe: 'Form of the findings' })
        .option('fail-on', {
          choices: SEVERITIES,
          default: 'warning' as const,
          describe: 'The mildest finding for which the exit code is 1',
        })
        .option('config', configOption)
        .option('http-port', httpPortOption)
        .option('https-port', httpsPortOption)
        .example('sluice validate manifests/', 'exit code 0 fine, 1 findings, 2 wrong usage')
        .example('sluice validate --fail-on error -o json web.yaml', 'for machines; warnings are told but tolerated'),
    async ({ path, output, failOn, config, httpPort, httpsPort }) => {
      const [{ compileManifests }, { diagnosePolicies }] = await Promise.all([
        import('../compile.ts'),
        import('../policy/diagnose-policies.ts'),
      ]);
      const compiled = await compileManifests({ paths: path, config, httpPort, httpsPort, triesConfigs: true });
      const objects = compiled.objects.length;
      const ofPolicies = diagnosePolicies(compiled.objects, compiled.settings);
      const diagnostics = locateDiagnostics([...compiled.diagnostics, ...ofPolicies], compiled.locate);
      const counts = countSeverities(diagnostics);
      if (output === 'json') await printJson({ findings: diagnostics, summary: { objects, ...counts } });
      else
        await print(
          `${formatDiagnostics(diagnostics)}${diagnostics.length > 0 ? '\n' : ''}${plural(objects, 'object')}, ${formatCounts(counts)}\n`,
        );
      const grave = SEVERITIES.slice(0, SEVERITIES.indexOf(failOn) + 1);
      if (grave.some((severity) => counts[severity] > 0)) process.exitCode = 1;
    },
  );
}
