import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { type ManifestRead, readManifests } from '../../kube/index.ts';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { CliError } from '../cli-error.ts';
import { formatPolicyVerdict } from '../text/policy-verdict.ts';
import { judge, type PolicyVerdict } from './judge.ts';
import { readRequest, type Talk } from './layer7.ts';
import { parsePartyName } from './party-name.ts';

const SERVING = { pathNormalization: 'full', headersWithUnderscores: 'allow' } as const;

const folder = new TemporaryFolder();
after(() => folder.dispose());

const SHOP = `kind: Node
apiVersion: v1
metadata: {name: n1}
spec: {podCIDRs: [10.0.0.0/24]}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
kind: Pod
apiVersion: v1
metadata: {name: web, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: main}]}
---
kind: Pod
apiVersion: v1
metadata: {name: api, labels: {app: api}}
spec: {nodeName: n1, containers: [{name: main}]}
---
kind: CiliumNetworkPolicy
apiVersion: cilium.io/v2
metadata: {name: api}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - toPorts:
        - ports: [{port: '80', protocol: TCP}]
          rules:
            http:
              - {method: GET, path: /public}
              - {method: PUT, path: /inbox, headers: ['X-Role: admin']}
              - {method: GET, path: /secret, headerMatches: [{name: X-Token, secret: {name: token}}]}
        - ports: [{port: '81', protocol: TCP}]
          rules: {http: [{path: '('}]}
---
kind: CiliumNetworkPolicy
apiVersion: cilium.io/v2
metadata: {name: web}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress:
    - toEndpoints: [{matchLabels: {app: api}}]
    - toEntities: [world]
      toPorts:
        - ports: [{port: '443', protocol: TCP}]
          serverNames: ['*.example']
    - toEndpoints: [{matchLabels: {app: roles}}]
      toPorts:
        - ports: [{port: '82', protocol: TCP}]
          rules: {http: [{path: /made, headerMatches: [{name: X-Role, value: admin, mismatch: REPLACE}]}, {}]}
---
kind: Pod
apiVersion: v1
metadata: {name: roles, labels: {app: roles}}
spec: {nodeName: n1, containers: [{name: main}]}
---
kind: CiliumNetworkPolicy
apiVersion: cilium.io/v2
metadata: {name: roles}
spec:
  endpointSelector: {matchLabels: {app: roles}}
  ingress:
    - toPorts:
        - ports: [{port: '82', protocol: TCP}]
          rules: {http: [{path: /id, headers: ['X-Request-Id']}, {headers: ['X-Role: admin']}]}
`;

async function shop(): Promise<ManifestRead> {
  mkdirSync(folder.join('shop'), { recursive: true });
  writeFileSync(folder.join('shop', 'shop.yaml'), SHOP);
  return readManifests([folder.join('shop')]);
}

interface Question {
  readonly from?: string;
  readonly to?: string;
  readonly port?: number;
  readonly talk?: Talk;
}

async function ask({ from = 'default/web', to = 'default/api', port = 80, talk = {} }: Question): Promise<PolicyVerdict> {
  const question = {
    from: parsePartyName('from', from),
    to: parsePartyName('to', to),
    protocol: IP_PROTOCOLS.TCP,
    port,
    talk,
    serving: SERVING,
  };
  return judge((await shop()).objects, { impliesNamespaces: true }, question);
}

const saying = (line: string, ...headers: readonly string[]): Talk => ({
  request: readRequest({ line, host: 'api', headers }, SERVING),
});

type Case = readonly [what: string, question: Question, decision: PolicyVerdict['decision'], reason: RegExp | undefined];

const CASES: readonly Case[] = [
  ['nothing', {}, 'asked', undefined],
  ['a request that a rule allows', { talk: saying('GET /public') }, 'allow', /^method GET, path \/public$/],
  ['a request whose path is normalised', { talk: saying('GET /a/..//./publi%63') }, 'allow', /^method GET, path \/public$/],
  [
    'a request that none allows',
    { talk: saying('PUT /public') },
    'deny',
    /^method PUT is not GET \(CiliumNetworkPolicy default\/api spec\.ingress\[0\]\.toPorts\[0\]\.rules\.http\[0\]\.method\)$/,
  ],
  ['a request without a header', { talk: saying('PUT /inbox') }, 'deny', /^header x-role is missing .*http\[1\]\.headers\[0\]\)$/],
  ['a request with a header', { talk: saying('PUT /inbox', 'x-role: admin') }, 'allow', /^method PUT/],
  [
    'a request whose header must have the value of a Secret',
    { talk: saying('GET /secret', 'X-Token: a') },
    'unknown',
    /Secret default\/token is not known here/,
  ],
  [
    'a request with dot segments that have parameters',
    { talk: saying('GET /public/..%3b/x') },
    'deny',
    /^its path has dot segments with parameters, .*: such a request is refused whatever rules say$/,
  ],
  ['a request with a lookalike of a header', { talk: saying('PUT /inbox', 'X_Role: admin') }, 'deny', /^header x-role is missing/],
  [
    'a request with a header that rules of its sender replace',
    { to: 'default/roles', port: 82, talk: saying('GET /made', 'X-Role: user') },
    'allow',
    /admin$/,
  ],
  [
    'a request with a header that these leave',
    { to: 'default/roles', port: 82, talk: saying('GET /', 'X-Role: user') },
    'deny',
    /^header x-role is not admin/,
  ],
  [
    'a request without an id, which Envoy gives it',
    { to: 'default/roles', port: 82, talk: saying('GET /id') },
    'deny',
    /header x-request-id is missing/,
  ],
  ['a request with an id', { to: 'default/roles', port: 82, talk: saying('GET /id', 'X-Request-Id: a') }, 'allow', /header x-request-id$/],
  ['a request to a port whose only rule is wrong', { port: 81, talk: saying('GET /') }, 'deny', undefined],
  ['nothing, at a port whose only rule is wrong', { port: 81 }, 'deny', undefined],
  ['a request of the own node', { from: 'host', talk: saying('DELETE /') }, 'allow', undefined],
  ['a server name', { to: '203.0.113.7', port: 443, talk: { serverName: 'a.example' } }, 'allow', /^\*\.example$/],
  [
    'another server name',
    { to: '203.0.113.7', port: 443, talk: { serverName: 'example' } },
    'deny',
    /^server name example is none of these$/,
  ],
  ['a request where names are asked for', { to: '203.0.113.7', port: 443, talk: saying('GET /') }, 'asked', undefined],
];

describe('what rules of layer 7 make of', () => {
  for (const [what, question, decision, reason] of CASES) {
    test(what, async () => {
      const { decision: decided, egress, ingress } = await ask(question);
      assert.equal(decided, decision);
      const report = ingress?.layer7 ?? egress?.layer7;
      assert.ok(report);
      if (reason) assert.match(report.reason ?? '', reason);
      else assert.equal(report.reason, undefined);
    });
  }
});

test('is told with each rule and the nearest', async () => {
  const { locate } = await shop();
  const text = formatPolicyVerdict(await ask({ talk: saying('PUT /public') }), (object, path) => locate(object, path));
  const told = text
    .replaceAll(/\(\S+\/shop\.yaml:/g, '(shop.yaml:')
    .split('\n')
    .slice(4);
  assert.deepEqual(told, [
    '               from CiliumNetworkPolicy default/web spec.egress[0] (shop.yaml:39:7)',
    '  without it   allowed: nothing restricts what it sends',
    '  ingress      for rules of layer 7 to decide',
    '               from CiliumNetworkPolicy default/api spec.ingress[0].toPorts[0] (shop.yaml:24:11)',
    '  rules        method GET, path /public, in CiliumNetworkPolicy default/api spec.ingress[0].toPorts[0].rules.http[0] (shop.yaml:27:17)',
    '               method PUT, path /inbox, header x-role admin, in CiliumNetworkPolicy default/api spec.ingress[0].toPorts[0].rules.http[1] (shop.yaml:28:17)',
    '               method GET, path /secret, header x-token the value of Secret default/token, in CiliumNetworkPolicy default/api spec.ingress[0].toPorts[0].rules.http[2] (shop.yaml:29:17)',
    '  request      denied: method PUT is not GET (CiliumNetworkPolicy default/api spec.ingress[0].toPorts[0].rules.http[0].method)',
    '  without it   allowed: nothing restricts what is sent to it',
    '  outcome      denied',
    '',
  ]);
});

test('is told of what allows everything besides', async () => {
  const text = formatPolicyVerdict(await ask({ from: 'host' }), () => undefined);
  assert.match(text, /^ {2}besides {6}everything is allowed by the pod's own node$/m);
});

const WRONG: readonly (readonly [line: string, header: string])[] = [
  ['GET', ''],
  ['GET /a b', ''],
  ['/a', ''],
  ['GET a', ''],
  ['GET /', 'X-A'],
  ['GET /', 'X A: b'],
];
for (const [line, header] of WRONG) {
  test(`${JSON.stringify([line, header])} is no request`, () => {
    assert.throws(
      () => readRequest({ line, host: '', headers: header === '' ? [] : [header] }, SERVING),
      (error) => error instanceof CliError && error.code === 'usage',
    );
  });
}

const ANSWERED: readonly (readonly [line: string, message: RegExp])[] = [
  ['GET /public%2fa', /^Envoy answers \/public%2fa with a redirect to \/public\/a, by which rules judge$/],
  ['GET /public%00', /^Envoy answers \/public%00 with 400, as the path has an escaped zero byte \(%00\)$/],
];
for (const [line, message] of ANSWERED) {
  test(`${line} is answered by Envoy itself`, () => {
    assert.throws(
      () => readRequest({ line, host: '', headers: [] }, SERVING),
      (error) => error instanceof CliError && error.code === 'failed' && message.test(error.message),
    );
  });
}
