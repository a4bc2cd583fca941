import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { readManifests } from '../../kube/index.ts';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { formatPolicyVerdict } from '../text/policy-verdict.ts';
import { diagnosePolicies } from './diagnose-policies.ts';
import { judge, type PolicyVerdict } from './judge.ts';
import { readRequest } from './layer7.ts';
import { parsePartyName } from './party-name.ts';

const folder = new TemporaryFolder();
after(() => folder.dispose());

const AUDIT = 'policy.sluice.io/audit-mode';
const VISIBILITY = 'policy.cilium.io/proxy-visibility';

function annotated(annotations: Readonly<Record<string, string>>): string {
  return `{${Object.entries(annotations)
    .map(([name, value]) => `${name}: '${value}'`)
    .join(', ')}}`;
}

interface Annotations {
  readonly namespace?: Readonly<Record<string, string>>;
  readonly pod?: Readonly<Record<string, string>>;
}

const manifests = ({ namespace = {}, pod = {} }: Annotations): string => `kind: Namespace
apiVersion: v1
metadata: {name: default, annotations: ${annotated(namespace)}}
---
kind: Pod
apiVersion: v1
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: main}]}
---
kind: Pod
apiVersion: v1
metadata: {name: api, labels: {app: api}, annotations: ${annotated(pod)}}
spec: {containers: [{name: main}]}
---
kind: CiliumNetworkPolicy
apiVersion: cilium.io/v2
metadata: {name: api}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - toPorts:
        - ports: [{port: '80', protocol: TCP}]
          rules: {http: [{method: GET, path: /public}]}
    - fromEndpoints: [{matchLabels: {app: web}}]
      toPorts: [{ports: [{port: '8080', protocol: TCP}]}]
`;

const SERVING = { pathNormalization: 'full', headersWithUnderscores: 'allow' } as const;
let written = 0;

async function read(annotations: Annotations) {
  const at = folder.join(`${written++}`);
  mkdirSync(at);
  writeFileSync(`${at}/all.yaml`, manifests(annotations));
  return await readManifests([at]);
}

async function ask(annotations: Annotations, { port = 80, line = 'PUT /public', to = 'default/api' }): Promise<PolicyVerdict> {
  const { objects } = await read(annotations);
  const talk = { request: readRequest({ line, host: 'api', headers: [] }, SERVING) };
  const parties = { from: parsePartyName('from', 'default/web'), to: parsePartyName('to', to) };
  return judge(objects, { impliesNamespaces: true }, { ...parties, protocol: IP_PROTOCOLS.TCP, port, talk });
}

describe('audit mode', () => {
  const cases: readonly (readonly [what: string, annotations: Annotations, isAudited: boolean])[] = [
    ['nothing is said', {}, false],
    ['the namespace has it', { namespace: { [AUDIT]: 'true' } }, true],
    ['the namespace has it and the pod is left out', { namespace: { [AUDIT]: 'true' }, pod: { [AUDIT]: 'false' } }, false],
    ['the namespace leaves it to pods, and this one asks', { namespace: { [AUDIT]: 'pods' }, pod: { [AUDIT]: 'true' } }, true],
    ['the namespace leaves it to pods, and this one does not ask', { namespace: { [AUDIT]: 'pods' } }, false],
    ['a pod asks for it by itself', { pod: { [AUDIT]: 'true' } }, false],
    ['a pod asks for it in a namespace that has it not', { namespace: { [AUDIT]: 'false' }, pod: { [AUDIT]: 'true' } }, false],
    ['the namespace says something else', { namespace: { [AUDIT]: 'yes' } }, false],
  ];
  for (const [what, annotations, isAudited] of cases) {
    test(what, async () => {
      for (const question of [{}, { port: 22 }]) {
        const { decision, ingress } = await ask(annotations, question);
        assert.equal(decision, isAudited ? 'allow' : 'deny');
        assert.equal(ingress?.audits, isAudited);
        assert.equal(ingress?.layer7?.decision ?? ingress?.decision, 'deny', 'what it would be is told all the same');
      }
    });
  }

  test('is said', async () => {
    const text = formatPolicyVerdict(await ask({ namespace: { [AUDIT]: 'true' } }, {}), () => undefined);
    assert.match(text, /^ {2}audit mode {3}what is denied here passes, and is told of$/m);
    assert.match(text, /^ {2}outcome {6}allowed$/m);
  });
});

describe('visibility', () => {
  const seen = { pod: { [VISIBILITY]: '<Ingress/8080/TCP/HTTP>, <ingress/9/TCP/HTTP>' } };

  test('makes a slot of what is allowed, which allows everything', async () => {
    const { decision, ingress } = await ask(seen, { port: 8080 });
    assert.equal(decision, 'allow');
    assert.equal(ingress?.decision, 'slot');
    assert.deepEqual([ingress?.reason, ingress?.layer7?.kind, ingress?.layer7?.rules], ['rule', 'http', []]);
  });

  test('allows nothing that is not allowed', async () => {
    const { objects } = await read(seen);
    const question = {
      from: parsePartyName('from', 'world'),
      to: parsePartyName('to', 'default/api'),
      protocol: IP_PROTOCOLS.TCP,
      port: 8080,
    };
    assert.equal(judge(objects, { impliesNamespaces: true }, question).decision, 'deny');
  });

  test('leaves rules as they are', async () => {
    const { decision, ingress } = await ask({ pod: { [VISIBILITY]: '<Ingress/80/TCP/HTTP>' } }, {});
    assert.equal(decision, 'deny');
    assert.equal(ingress?.layer7?.rules.length, 1);
  });

  test('is there without any rule, for what comes in and goes out, of all pods of a namespace', async () => {
    const namespace = { [VISIBILITY]: '<Egress/80/TCP/HTTP>,<Ingress/7070/ANY/http>' };
    const { decision, egress, ingress } = await ask({ namespace }, { port: 7070, to: 'default/web' });
    assert.deepEqual([decision, egress, ingress], ['allow', undefined, undefined], 'a pod always reaches itself');
    const out = await ask({ namespace }, { line: 'GET /public' });
    assert.deepEqual([out.decision, out.egress?.decision, out.egress?.reason], ['allow', 'slot', 'unrestricted']);
    const text = formatPolicyVerdict(out, () => undefined);
    assert.match(text, /^ {2}besides {6}everything is allowed; an annotation asks for it to be seen$/m);
  });
});

test('what is wrong with annotations is told, with the field', async () => {
  const wrong = '<Ingress/80/TCP/HTTP>,Ingress/80,<Egress/53/UDP/DNS>,<Egress/80/UDP/HTTP>,<Ingress/70000/TCP/HTTP>';
  const { objects } = await read({ namespace: { [AUDIT]: 'yes' }, pod: { [AUDIT]: 'pods', [VISIBILITY]: wrong } });
  const found = diagnosePolicies(objects, DEFAULT_SETTINGS).filter(({ code }) => code === 'InvalidAnnotation');
  assert.deepEqual(
    found.map(({ object, path, message }) => `${object?.kind} ${path?.at(-1)} ${message}`),
    [
      `Namespace ${AUDIT} is "yes", not one of: true, pods, false`,
      `Pod ${VISIBILITY} has "<Egress/53/UDP/DNS>": of layer 7 only HTTP can be seen yet`,
      `Pod ${VISIBILITY} has "<Egress/80/UDP/HTTP>": HTTP is seen over TCP only`,
      `Pod ${VISIBILITY} has "<Ingress/70000/TCP/HTTP>", which is not of the form <Ingress/80/TCP/HTTP>`,
      `Pod ${VISIBILITY} has "Ingress/80", which is not of the form <Ingress/80/TCP/HTTP>`,
      `Pod ${AUDIT} is "pods", not one of: true, false`,
    ],
  );
});
