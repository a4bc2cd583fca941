import type { Argv } from 'yargs';
import { CliError } from '../cli-error.ts';
import { configOption, httpPortOption, httpsPortOption, manifestsOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { formatExplanation } from '../text/explanation.ts';
import { withLocations } from '../text/place.ts';

export function addExplain(yargs: Argv): Argv {
  return yargs.command(
    'explain <url>',
    'Say where a request goes, and which object and line sends it there',
    (command) =>
      command
        .positional('url', { type: 'string', demandOption: true, describe: 'http or https; a port picks the listener' })
        .option('manifests', { ...manifestsOption, demandOption: false, default: '.' })
        .option('verbose', { alias: 'v', type: 'boolean', default: false, describe: 'Also name the routes that do not match' })
        .option('output', { alias: 'o', choices: ['text', 'json'] as const, default: 'text' as const, describe: 'Form of the explanation' })
        .option('config', configOption)
        .option('http-port', httpPortOption)
        .option('https-port', httpsPortOption)
        .example('sluice explain https://shop.example.com/cart --manifests manifests/', 'exit code 1 where nothing takes the request'),
    async ({ url, manifests, verbose, output, config, httpPort, httpsPort }) => {
      const target = parseUrl(url);
      const [{ compileManifests }, { explainUrl }] = await Promise.all([import('../compile.ts'), import('../../controller/explain.ts')]);
      const { pipeline, locate } = await compileManifests({ paths: [manifests], config, httpPort, httpsPort });
      const explanation = explainUrl(pipeline.model, target);
      await (output === 'json'
        ? printJson(withLocations(explanation, locate))
        : print(formatExplanation(explanation, { locate, verbose })));
      if (explanation.outcome.kind === 'nothing') process.exitCode = 1;
    },
  );
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  const hint = url === null ? `; did you mean https://${text}?` : '';
  throw new CliError('usage', `${JSON.stringify(text)} is no http or https URL${hint}`);
}
