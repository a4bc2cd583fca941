import { join } from 'node:path';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import type { Log } from '../log.ts';
import { DEFAULT_PORTS } from '../options.ts';
import { print } from '../output.ts';
import { runSluice } from '../run/run.ts';
import { stateHome } from '../run/state-dir.ts';
import type { StopSignals } from '../stop-signals.ts';
import { formatFile } from '../text/place.ts';
import { startApiBackend, startWebBackend } from './backends.ts';
import { makeDemoCertificate } from './certificate.ts';
import { type DemoFolder, layOutDemo, QUICKSTART_PORTS } from './folder.ts';

export interface DemoOptions {
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly adminPort: number;
  /** Undefined for the user's own. */
  readonly stateDir: string | undefined;
  readonly log: Log;
}

const HOST = 'shop.localhost';

/** Runs the quickstart with backends and a certificate of its own, until it is told to stop. */
export async function runDemo(options: DemoOptions, stop: StopSignals): Promise<void> {
  const { httpPort, httpsPort, adminPort, log } = options;
  const folder = options.stateDir ?? join(stateHome(), 'demo');
  const [web, api, certificate] = await Promise.all([
    startWebBackend(QUICKSTART_PORTS.web),
    startApiBackend(QUICKSTART_PORTS.api),
    makeDemoCertificate([HOST]),
  ]);
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => web.close());
  cleanUp.defer(() => api.close());
  const demo = layOutDemo(folder, { web: web.port, api: api.port }, certificate);
  const onReady = () => void print(describeTour(demo, options));
  const run = { manifests: demo.manifests, stateDir: join(folder, 'run'), address: '127.0.0.1', httpPort, httpsPort, adminPort };
  await runSluice({ ...run, settings: DEFAULT_SETTINGS, log, onReady }, stop);
}

function describeTour({ manifests, authority }: DemoFolder, { httpPort, httpsPort, adminPort }: DemoOptions): string {
  const http = `http://${HOST}:${httpPort}`;
  const https = `https://${HOST}:${httpsPort}`;
  const tls = `curl --cacert ${formatFile(authority)}`;
  const shop = formatFile(join(manifests, 'shop.yaml'));
  const port = adminPort === DEFAULT_PORTS.admin ? '' : ` --admin-port ${adminPort}`;
  const ports =
    (httpPort === DEFAULT_PORTS.http ? '' : ` --http-port ${httpPort}`) +
    (httpsPort === DEFAULT_PORTS.https ? '' : ` --https-port ${httpsPort}`);
  return `
Try these in another terminal:

  # HTTP is sent on to HTTPS (308)
  curl -i ${http}/
  # the web backend
  ${tls} ${https}/
  # the api backend, by its path
  ${tls} ${https}/api/orders
  # why it goes there
  npx sluice explain ${https}/api/orders --manifests ${formatFile(manifests)}${ports}
  # how everything is
  npx sluice status${port}

Then edit, and see it in force a moment later:

  sed -i 's,path: /api,path: /v2,' ${shop}
  ${tls} ${https}/v2/orders

Ctrl-C ends it.

`;
}
