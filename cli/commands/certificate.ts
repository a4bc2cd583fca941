import type { Argv } from 'yargs';
import { CliError } from '../cli-error.ts';
import { kubeconfigOption, namespaceOption } from '../options.ts';
import { print } from '../output.ts';

const MAX_DAYS = 90;

export function addCertificate(yargs: Argv): Argv {
  return yargs.command(
    'certificate <name>',
    'Make a certificate with which somebody may ask the nodes of a cluster for flows, and Prometheus for metrics',
    (command) =>
      command
        .positional('name', { type: 'string', demandOption: true, describe: 'Who: nodes know them as spiffe://sluice.io/observer/NAME' })
        .option('days', { type: 'number', requiresArg: true, default: 7, describe: 'For how long it is good', coerce: checkDays })
        .option('out', {
          type: 'string',
          requiresArg: true,
          normalize: true,
          default: '.',
          describe: 'Folder for NAME.crt, NAME.key and ca.crt',
        })
        .option('kubeconfig', kubeconfigOption)
        .option('namespace', namespaceOption)
        .example('sluice certificate ann --out ~/.sluice', 'then: sluice observe --server NODE:4244 --ca … --cert … --key …')
        .epilogue(
          'Needs the right to read the Secret sluice-ca. It cannot be taken back before it ends: see the settings flows.clients and metrics.clients.',
        ),
    async ({ name, days, out, kubeconfig, namespace }) => {
      const [{ makeObserverCertificate, writeObserverCertificate }, { withApiServer }] = await Promise.all([
        import('../certificate/observer-certificate.ts'),
        import('../api-client.ts'),
      ]);
      const made = await withApiServer(kubeconfig, (client) => makeObserverCertificate(client, { namespace, name, days }));
      const { ca, cert, key } = writeObserverCertificate(out, name, made);
      await print(`sluice observe --server NODE:PORT --ca ${ca} --cert ${cert} --key ${key}\n`);
    },
  );
}

function checkDays(days: number): number {
  if (Number.isInteger(days) && days >= 1 && days <= MAX_DAYS) return days;
  throw new CliError('usage', `--days must be a number from 1 to ${MAX_DAYS}`);
}
