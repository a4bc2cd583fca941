import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type Permission, PermissionSchema, RBAC_Action } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { SlotScene } from '../../l7-filters/envoy/testing/slot-scene.ts';
import { httpSlot, type RuleText } from '../../l7-filters/envoy/testing/slots.ts';
import { Backend } from '../../testkit/backend.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { say } from '../figures.ts';
import { cpuMsOf, pidOf } from '../process-cost.ts';

/**
 * What a request costs Envoy by the number and kind of a slot's rules, beside the same rules one after another as a hand would write them:
 * processor time, of requests that the last rule allows and of requests that none does. `node bench/layer7/rules.ts`
 */
const KINDS: Readonly<Record<string, (index: number) => RuleText>> = {
  'texts, each method another': (index) => ({ method: index % 2 === 0 ? 'GET' : 'POST', path: `/v1/items/${index}` }),
  prefixes: (index) => ({ method: 'GET', path: `/v1/items/${index}/.*` }),
  'regular expressions': (index) => ({ method: 'GET', path: `/v1/items/${index}/[0-9]+` }),
  'regular expressions, each host another': (index) => ({
    method: 'GET',
    path: `/v1/items/${index}/[0-9]+`,
    host: `h${index % 50}\\.test`,
  }),
};
const COUNTS = [1, 100, 1_000];
const REQUESTS = 3_000;

await using backend = await Backend.start({ name: 'pod' });
const port = await freePort();
const slotWith = (rules: readonly RuleText[], isOpen = false) => ({
  slot: httpSlot('measured', rules, { isOpen }),
  port,
  backendPort: backend.port,
});
await using scene = await SlotScene.start([slotWith([], true)]);
await eventually(() => requestHttp1({ port, host: 'web.test' }));
const pid = pidOf(envoyBinary(), scene.xds.folder.path);

say('everything is allowed', await costs('/v1/items/x', 'web.test', 200));
for (const [kind, ruleOf] of Object.entries(KINDS)) {
  console.log(kind);
  for (const count of COUNTS) {
    const rules = Array.from({ length: count }, (_, index) => ruleOf(index));
    const last = rules.findLast(({ method }) => method === 'GET');
    const path = (last?.path ?? '').replace('.*', 'x').replace('[0-9]+', '7');
    const host = (last?.host ?? 'web.test').replace('\\', '');
    for (const [how, filter] of [
      ['compiled', undefined],
      ['one by one', oneByOne(rules)],
    ] as const) {
      scene.serve({ ...slotWith(rules), ...(filter && { filter }) });
      await eventually(() => inForce(path, host));
      say(`${count}, ${how}`, `${await costs(path, host, 200)} allowed, ${await costs('/v1/none/7', host, 403)} denied`);
    }
  }
}

async function inForce(path: string, host: string): Promise<void> {
  const allowed = await requestHttp1({ port, host, path });
  const denied = await requestHttp1({ port, host, path: '/v1/none/7' });
  if (allowed.status !== 200 || denied.status !== 403) throw new Error('not yet');
  // Both filters answer alike: the one before is gone for certain only a moment later.
  await new Promise((resolve) => setTimeout(resolve, 300));
}

async function costs(path: string, host: string, expected: number): Promise<string> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const before = cpuMsOf(pid);
  for (let count = 0; count < REQUESTS; count += 1) await ask(agent, path, host, expected);
  const used = cpuMsOf(pid) - before;
  agent.destroy();
  return `${((1_000 * used) / REQUESTS).toFixed(0)} µs`;
}

async function ask(agent: Agent, path: string, host: string, expected: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const take = async (status: number | undefined, body: Promise<string>) => {
    await body;
    if (status === expected) resolve();
    else reject(new Error(`${path} on ${host}: ${status}, not ${expected}`));
  };
  request({ host: '127.0.0.1', port, agent, path, headers: { host } }, (response) => void take(response.statusCode, text(response)))
    .on('error', reject)
    .end();
  await promise;
}

function oneByOne(rules: readonly RuleText[]): Any {
  const permissions = rules.map((rule) => create(PermissionSchema, { rule: { case: 'andRules', value: { rules: permissionsOf(rule) } } }));
  return anyOf(RBACSchema, {
    rules: { action: RBAC_Action.ALLOW, policies: { rules: { permissions, principals: [{ identifier: { case: 'any', value: true } }] } } },
  });
}

function permissionsOf({ method, path, host }: RuleText): Permission[] {
  const texts = Object.entries({ ':method': method, ':path': path, ':authority': host });
  return texts.flatMap(([name, regex]) => (regex === undefined ? [] : [headerPermission(name, regex)]));
}

function headerPermission(name: string, regex: string): Permission {
  const matchPattern = /[\\*[]/.test(regex)
    ? ({ case: 'safeRegex', value: { regex } } as const)
    : ({ case: 'exact', value: regex } as const);
  return create(PermissionSchema, {
    rule: { case: 'header', value: { name, headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern } } } },
  });
}
