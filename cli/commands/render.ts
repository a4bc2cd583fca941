import type { Argv } from 'yargs';
import type { Pipeline } from '../../controller/pipeline/pipeline.ts';
import type { ResourceType } from '../../controller/render.ts';
import type { KubeObject } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import { CliError } from '../cli-error.ts';
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
        .option('as', {
          choices: ['envoy', 'cec'] as const,
          default: 'envoy' as const,
          describe: 'cec: what each Ingress, and each balanced Service, amounts to as a CiliumEnvoyConfig',
        })
        .option('type', { choices: TYPES, describe: 'Only resources of this type' })
        .option('config', configOption)
        .option('http-port', httpPortOption)
        .option('https-port', httpsPortOption)
        .example('sluice render --manifests manifests/', 'every resource as a YAML document; private keys are left out')
        .check(({ as, type }) => {
          if (as === 'envoy' || type === undefined) return true;
          throw new CliError('usage', 'with --as cec there are no types to choose from (see: sluice render --help)');
        })
        .example('sluice render --manifests manifests/ --type cluster -o json', 'clusters as one JSON array')
        .example('sluice render --manifests manifests/ --as cec', 'a CiliumEnvoyConfig for each Ingress, to go on from'),
    async ({ manifests, output, as, type, config, httpPort, httpsPort }) => {
      const { compileManifests, emptyPipeline } = await import('../compile.ts');
      const { pipeline, objects, settings, diagnostics } = await compileManifests({ paths: [manifests], config, httpPort, httpsPort });
      const bodies =
        as === 'cec'
          ? await renderAsConfigs(emptyPipeline(settings, { httpPort, httpsPort }), objects, settings)
          : await renderAsResources(pipeline, type);
      if (output === 'json') await printJson(bodies);
      else await printAsYaml(bodies);
      const counts = countSeverities(diagnostics);
      if (counts.error + counts.warning > 0) process.stderr.write(`sluice: ${formatCounts(counts)}; see: sluice validate ${manifests}\n`);
    },
  );
}

async function printAsYaml(bodies: readonly unknown[]): Promise<void> {
  const { dump } = await import('js-yaml');
  for (const body of bodies) await print(`---\n${dump(body, { lineWidth: -1, noRefs: true })}`);
}

async function renderAsResources(pipeline: Pipeline, type: ResourceType | undefined): Promise<readonly unknown[]> {
  const { renderResources } = await import('../../controller/render.ts');
  return renderResources(pipeline.resources())
    .filter((rendered) => type === undefined || rendered.type === type)
    .map(({ body }) => body);
}

async function renderAsConfigs(pipeline: Pipeline, objects: readonly KubeObject[], { envoyConfig }: Settings): Promise<readonly unknown[]> {
  const { asEnvoyConfigs } = await import('../../controller/as-envoy-config.ts');
  return [...asEnvoyConfigs(pipeline, objects, envoyConfig)];
}
