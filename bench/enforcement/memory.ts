// node bench/enforcement/memory.ts [SERVICES]: what the agent and the enforcer of a node need in a cluster of 10,000 identities, as processes. As
// root, in namespaces of its own, which are gone when it ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Cgroup } from '../../bpf/libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { identifyNode } from '../../controller/trust/identify-node.ts';
import { controllerProfile, issueWithKey, makeAuthority, nodeProfile } from '../../pki/index.ts';
import { PolicyEngine } from '../../policy/index.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import {
  ADDRESS_TYPE,
  enforcementViews,
  MutualTlsCredentials,
  NODE_ENDPOINTS_TYPE,
  NODE_METHODS,
  type Resource,
  SnapshotCache,
  XdsServer,
} from '../../xds-server/serve/index.ts';
import { translateAddress, translateIdentity, translateNodeEndpoints } from '../../xds-server/translate/node/identities.ts';
import { translateSubjectPolicy } from '../../xds-server/translate/node/policy.ts';
import { progress, say, sayMemory } from '../figures.ts';
import { podObject, policyCorpus } from '../policy/corpus.ts';
import { serviceResources } from './node-corpus.ts';

const SIZE = { workloads: 10_000, podsPerWorkload: 1, policies: 500 };
const NODE = 'node-0';
const CHANGES = 200;
const REST_MS = 10_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const [SERVICES = '0'] = process.argv.slice(2);

/** What controllers tell a node of such a cluster. */
function resourcesOfCluster(services: number): { readonly engine: PolicyEngine; readonly resources: readonly Resource[] } {
  const engine = new PolicyEngine();
  for (const object of policyCorpus(SIZE)) engine.put(object);
  const { identities, addresses, policies, endpoints } = engine.flush();
  const own = endpoints.upserts.filter(({ node }) => node === NODE);
  const subjects = new Set(own.map(({ identity }) => identity));
  const needed = policies.upserts.filter(({ subject }) => subjects.has(subject));
  const verdicts = needed.reduce((sum, { ingress, egress }) => sum + ingress.verdicts.length + egress.verdicts.length, 0);
  say('cluster', `${identities.upserts.length} identities, ${addresses.upserts.length} addresses, ${services} Services`);
  say('node', `${own.length} pods, ${needed.length} subjects, ${verdicts} verdicts`);
  const clients = services > 0 && { serviceClients: { podNetworks: [] } };
  return {
    engine,
    resources: [
      ...needed.map(translateSubjectPolicy),
      ...identities.upserts.map(translateIdentity),
      ...addresses.upserts.map(translateAddress),
      ...serviceResources(services),
      translateNodeEndpoints({ node: NODE, endpoints: own, nodeAddresses: [], ...clients }),
    ],
  };
}

function start(command: string, folder: TemporaryFolder, options: Readonly<Record<string, string>>): ChildProcess {
  const log = openSync(folder.join(`${command}.log`), 'w');
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(`${ROOT}cli/bin/sluice`, [command, ...flags], { stdio: ['ignore', log, log] });
  child.on('exit', (code) => {
    if (code !== 0) throw new Error(`sluice ${command} ended with ${code}: ${readFileSync(folder.join(`${command}.log`), 'utf8')}`);
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
}

if (process.getuid?.() !== 0) throw new Error('this needs root: it makes network namespaces');
enterOwnNamespaces();
console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`);
using folder = new TemporaryFolder();
using cgroup = new Cgroup();
await using cleanUp = new AsyncDisposableStack();

progress('compiling policies');
const { engine, resources } = resourcesOfCluster(Number(SERVICES));
const cache = new SnapshotCache();
cache.apply({ upserts: resources, removals: [] });

const authority = await makeAuthority();
const identity = await issueWithKey(authority, controllerProfile());
const views = enforcementViews(cache);
const server = new XdsServer({ cache, views, methods: NODE_METHODS });
cleanUp.defer(() => server.close(0));
const credentials = new MutualTlsCredentials({ ...identity, authorities: authority.certificate });
const port = await server.listen({ host: '127.0.0.1', port: 0, credentials, identify: identifyNode });

writeFileSync(folder.join('ca.crt'), authority.certificate);
writeFileSync(folder.join('config.yaml'), 'policy:\n  enabled: true\n');
const clusters = [{ name: 'none', cluster: { server: 'https://127.0.0.1:1' } }];
const contexts = [{ name: 'none', context: { cluster: 'none', user: 'none' } }];
const kubeconfig = { apiVersion: 'v1', kind: 'Config', clusters, contexts, users: [{ name: 'none', user: {} }], 'current-context': 'none' };
writeFileSync(folder.join('kubeconfig'), JSON.stringify(kubeconfig));
for (const path of ['state/identity', 'run']) mkdirSync(folder.join(path), { recursive: true });
const own = await issueWithKey(authority, nodeProfile(NODE));
writeFileSync(folder.join('state/identity/identity.pem'), own.certificate + own.privateKey, { mode: 0o600 });

progress('starting the agent and the enforcer');
const began = performance.now();
const agent = start('agent', folder, {
  controller: `localhost:${port}`,
  ca: folder.join('ca.crt'),
  'node-name': NODE,
  'state-dir': folder.join('state'),
  'run-dir': folder.join('run'),
  kubeconfig: folder.join('kubeconfig'),
  config: folder.join('config.yaml'),
  'admin-port': '15090',
});
cleanUp.defer(() => end(agent));
const enforcer = start('enforcer', folder, {
  socket: folder.join('run/enforcer.sock'),
  'node-name': NODE,
  'pin-folder': '/sys/fs/bpf/bench',
  cgroup: cgroup.folder,
  'admin-port': '15091',
});
cleanUp.defer(() => end(enforcer));
const types = [NODE_ENDPOINTS_TYPE];
await server.waitSynced(NODE, { revision: cache.revision, types });
say('in force after', `${((performance.now() - began) / 1000).toFixed(1)} s`);
const pids = { agent: agent.pid ?? 0, enforcer: enforcer.pid ?? 0 };
sayMemory('once in force', pids);

progress(`${CHANGES} pods that come`);
for (let change = 0; change < CHANGES; change += 1) {
  engine.put(podObject(change, SIZE.workloads + change));
  const { identities, addresses } = engine.flush();
  cache.apply({ upserts: [...identities.upserts.map(translateIdentity), ...addresses.upserts.map(translateAddress)], removals: [] });
  await server.waitSynced(NODE, { revision: cache.revision, types: [ADDRESS_TYPE] });
}
sayMemory('after that', pids);
await sleep(REST_MS);
sayMemory('at rest', pids);
