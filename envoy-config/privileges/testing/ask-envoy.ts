import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { JsonObject } from '@bufbuild/protobuf';
import { z } from 'zod';
import { envoyBinary } from '../../../testkit/envoy-binary.ts';
import { eventually } from '../../../testkit/eventually.ts';
import { TemporaryFolder } from '../../../testkit/temporary-folder.ts';
import type { Kind } from './resources.ts';

const QUIET = ['--disable-hot-restart', '--concurrency', '1', '-l', 'critical'];

/** @returns what Envoy says against a resource, or undefined where it takes it */
export async function refusalOf(kind: Kind, resource: JsonObject): Promise<string | undefined> {
  using folder = new TemporaryFolder();
  const file = folder.join('bootstrap.json');
  writeFileSync(file, JSON.stringify({ staticResources: around(kind, resource) }));
  try {
    await promisify(execFile)(envoyBinary(), ['--mode', 'validate', '-c', file, ...QUIET]);
    return undefined;
  } catch (error) {
    return typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr) : String(error);
  }
}

/** What a resource needs to be one of a bootstrap. */
function around(kind: Kind, resource: JsonObject): JsonObject {
  const endpoint = { address: { socketAddress: { address: '192.0.2.1', portValue: 80 } } };
  const c = { name: 'c', type: 'STATIC', loadAssignment: { clusterName: 'c', endpoints: [{ lbEndpoints: [{ endpoint }] }] } };
  const address = { socketAddress: { address: '127.0.0.1', portValue: 0 } };
  if (kind === 'listener') return { listeners: [{ address, ...resource }], clusters: [c] };
  if (kind === 'cluster') return { clusters: [{ name: 'd', ...resource }, c] };
  throw new Error(`a bootstrap has no ${kind}`);
}

const dump = z.object({
  configs: z.array(
    z.object({
      bootstrap: z.object({ node: z.object({ extensions: z.array(z.object({ type_urls: z.array(z.string()).default([]) })) }) }).optional(),
    }),
  ),
});

/** The messages that extensions of the Envoy take, as it tells servers. */
export async function extensionTypes(): Promise<ReadonlySet<string>> {
  using folder = new TemporaryFolder();
  const [file, socketPath] = [folder.join('bootstrap.json'), folder.join('admin')];
  writeFileSync(file, JSON.stringify({ admin: { address: { pipe: { path: socketPath } } } }));
  const envoy = spawn(envoyBinary(), ['-c', file, ...QUIET], { stdio: 'ignore' });
  try {
    const { configs } = await eventually(async () => dump.parse(await ask(socketPath, '/config_dump?resource=&mask=bootstrap.node')));
    return new Set(configs.flatMap(({ bootstrap }) => bootstrap?.node.extensions.flatMap(({ type_urls }) => type_urls) ?? []));
  } finally {
    envoy.kill('SIGKILL');
    await once(envoy, 'exit');
  }
}

async function ask(socketPath: string, path: string): Promise<unknown> {
  const asked = request({ socketPath, path }).end();
  const [response] = await once(asked, 'response');
  return json(response);
}
