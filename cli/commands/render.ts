import { dump } from 'js-yaml';
import type { Argv } from 'yargs';
import type { ResourceType } from '../../controller/render.ts';
import { configOption, httpPortOption, httpsPortOption, manifestsOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { countSeverities, formatCounts } from '../text/diagnostics.ts';

const TYPES = ['listener', 'scope', 'route', 'cluster', 'endpoint', 'secret'] as const satisfies readonly ResourceType[];

export function addRender(yargs: Argv): Argv {
  return yargs.command(
    'render',
    'Print what Envoy would be told',
    (command) =>
      command
        .option('manifests', manifestsOption)
        .option('output', { alias: 'o', choices: ['yaml', 'json'] as const, default: 'yaml' as const, describe: 'Form of the resources' })
        .option('type', { choices: TYPES, describe: 'Only resources of this type' })
        .option('config', configOption)
        .option('http-port', httpPortOption)
        .option('https-port', httpsPortOption)
        .example('sluice render --manifests manifests/', 'every resource as a YAML document; private keys are left out')
        .example('sluice render --manifests manifests/ --type cluster -o json', 'clusters as one JSON array'),
    async ({ manifests, output, type, config, httpPort, httpsPort }) => {
      const [{ compileManifests }, { renderResources }] = await Promise.all([
        import('../compile.ts'),
        import('../../controller/render.ts'),
      ]);
      const { pipeline, diagnostics } = await compileManifests({ paths: [manifests], config, httpPort, httpsPort });
      const bodies = renderResources(pipeline.resources())
        .filter((rendered) => type === undefined || rendered.type === type)
        .map(({ body }) => body);
      if (output === 'json') await printJson(bodies);
      else for (const body of bodies) await print(`---\n${dump(body, { lineWidth: -1, noRefs: true })}`);
      const counts = countSeverities(diagnostics);
      if (counts.error + counts.warning > 0) process.stderr.write(`sluice: ${formatCounts(counts)}; see: sluice validate ${manifests}\n`);
    },
  );
}
