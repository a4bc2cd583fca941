import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { type ManifestRead, readManifests } from '../../kube/index.ts';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { judge as askOracle } from '../../policy/oracle/judge.ts';
import { podAt } from '../../policy/oracle/parties.ts';
import { viewOf } from '../../policy/testing/compile.ts';
import { packetsIn } from '../../policy/testing/packets.ts';
import { randomWorld } from '../../policy/testing/random-world.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { CliError } from '../cli-error.ts';
import { formatPolicyVerdict } from '../text/policy-verdict.ts';
import { diagnosePolicies } from './diagnose-policies.ts';
import { judge, type PolicyVerdict } from './judge.ts';
import { parsePartyName } from './party-name.ts';

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
spec: {containers: [{name: main}]}
---
kind: Pod
apiVersion: v1
metadata: {name: web-canary, labels: {app: web, track: canary}}
spec: {containers: [{name: main}]}
---
kind: Pod
apiVersion: v1
metadata: {name: db, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: main, ports: [{name: postgres, containerPort: 5432}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.9}]}
---
kind: Pod
apiVersion: v1
metadata: {name: old}
status: {phase: Succeeded, podIPs: [{ip: 10.0.0.10}]}
---
kind: Pod
apiVersion: v1
metadata: {name: agent}
spec: {nodeName: n1, hostNetwork: true}
status: {phase: Running, podIPs: [{ip: 192.168.0.1}]}
---
kind: Pod
apiVersion: v1
metadata: {name: far}
spec: {nodeName: n2, hostNetwork: true}
`;
const POLICIES = `kind: NetworkPolicy
apiVersion: networking.k8s.io/v1
metadata: {name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from:
        - podSelector: {matchLabels: {app: web}}
      ports: [{port: postgres}]
    - from: [{ipBlock: {cidr: 203.0.113.0/24}}]
---
kind: CiliumNetworkPolicy
apiVersion: cilium.io/v2
metadata: {name: no-canary}
spec:
  endpointSelector: {matchLabels: {app: db}}
  enableDefaultDeny: {ingress: false}
  ingressDeny:
    - fromEndpoints: [{matchLabels: {track: canary}}]
`;

mkdirSync(folder.join('shop'));
writeFileSync(folder.join('shop', 'pods.yaml'), SHOP);
writeFileSync(folder.join('shop', 'policies.yaml'), POLICIES);
let read: Promise<ManifestRead> | undefined;
const shop = () => {
  read ??= readManifests([folder.join('shop')]);
  return read;
};

async function ask(from: string, to: string, port: number | string, protocol = IP_PROTOCOLS.TCP as number): Promise<PolicyVerdict> {
  const question = { from: parsePartyName('from', from), to: parsePartyName('to', to), protocol, port };
  return judge((await shop()).objects, { impliesNamespaces: true }, question);
}

async function tell(verdict: PolicyVerdict): Promise<string> {
  const { locate } = await shop();
  return formatPolicyVerdict(verdict, locate).replaceAll(`${folder.path}/`, '');
}

describe('the verdict of policies in a folder', () => {
  test('names the rule that decides, what would decide without it, and their lines', async () => {
    assert.equal(
      await tell(await ask('default/web-canary', 'default/db', 'postgres')),
      `Pod default/web-canary → Pod default/db, TCP port 5432
  from         k8s:app=web, k8s:io.kubernetes.pod.namespace=default, k8s:track=canary
  to           k8s:app=db, k8s:io.kubernetes.pod.namespace=default
  egress       allowed: nothing restricts what it sends
  ingress      denied
               from CiliumNetworkPolicy default/no-canary spec.ingressDeny[0] (shop/policies.yaml:19:7)
  without it   allowed
               from NetworkPolicy default/db spec.ingress[0] (shop/policies.yaml:7:7)
  note         Pod default/web-canary has no address yet: rules that name addresses are judged for 198.18.0.9 and 2001:2::9
  outcome      denied
`,
    );
  });

  const cases: readonly [
    from: string,
    to: string,
    port: number | string,
    decision: string,
    ingress: string | undefined,
    deciders: string,
  ][] = [
    ['web', 'db', 5432, 'allow', 'rule', 'NetworkPolicy/db spec.ingress.0'],
    ['web', 'db', 5433, 'deny', 'not-allowed', 'NetworkPolicy/db '],
    ['db', 'web', 80, 'allow', 'unrestricted', ''],
    ['world', 'db', 80, 'deny', 'not-allowed', 'NetworkPolicy/db '],
    ['203.0.113.7', '10.0.0.9', 80, 'allow', 'rule', 'NetworkPolicy/db spec.ingress.1'],
    ['192.168.0.1', 'db', 80, 'allow', 'own-node', ''],
    ['agent', 'db', 80, 'allow', 'own-node', ''],
    ['far', 'db', 80, 'deny', 'not-allowed', 'NetworkPolicy/db '],
    ['host', 'db', 80, 'allow', 'own-node', ''],
    ['remote-node', 'db', 80, 'deny', 'not-allowed', 'NetworkPolicy/db '],
    ['k8s:app=web,track=canary', 'k8s:app=db', 5432, 'deny', 'rule', 'CiliumNetworkPolicy/no-canary spec.ingressDeny.0'],
    ['app=web', 'db', 5432, 'allow', 'rule', 'NetworkPolicy/db spec.ingress.0'],
    ['track=canary', 'db', 5432, 'deny', 'rule', 'CiliumNetworkPolicy/no-canary spec.ingressDeny.0'],
    ['app=web,track=new', 'db', 5432, 'allow', 'rule', 'NetworkPolicy/db spec.ingress.0'],
    ['app=web,k8s:io.kubernetes.pod.namespace=other', 'db', 5432, 'deny', 'not-allowed', 'NetworkPolicy/db '],
    ['app=new', 'app=new', 80, 'allow', 'unrestricted', ''],
    ['db', 'db', 80, 'allow', undefined, ''],
    ['web', 'world', 80, 'allow', undefined, ''],
    ['web', 'agent', 80, 'allow', undefined, ''],
  ];
  for (const [from, to, port, decision, reason, deciders] of cases) {
    test(`${from} to ${to} port ${port}: ${decision}, ${reason ?? 'not judged there'}`, async () => {
      const verdict = await ask(from, to, port);
      const sources = verdict.ingress?.sources.map(({ object, path }) => `${object.kind}/${object.name} ${path.join('.')}`) ?? [];
      assert.deepEqual([verdict.decision, verdict.ingress?.reason, sources.join()], [decision, reason, deciders]);
    });
  }

  test('says so where nobody judges', async () => {
    const { decision, egress, ingress, notes } = await ask('world', 'far', 80);
    assert.deepEqual([decision, egress, ingress], ['allow', undefined, undefined]);
    assert.match(notes.join('\n'), /^Pod default\/far is of the host network, .*\nneither end is a pod whose packets are judged$/);
  });

  test('has a runner-up where two rules match', async () => {
    const policies = ['allow', 'deny'].map((name) => ({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name },
      spec: {
        endpointSelector: {},
        ...(name === 'allow'
          ? { ingress: [{ fromEndpoints: [{ matchLabels: { app: 'web' } }] }] }
          : { ingressDeny: [{ toPorts: [{ ports: [{ port: '80' }] }] }] }),
      },
    }));
    const question = { from: parsePartyName('from', 'app=web'), to: parsePartyName('to', 'app=db'), protocol: IP_PROTOCOLS.TCP, port: 80 };
    const { ingress } = judge(policies.map(viewOf), { impliesNamespaces: true }, question);
    assert.deepEqual([ingress?.decision, ingress?.sources[0]?.object.name], ['deny', 'deny']);
    assert.deepEqual([ingress?.runnerUp?.decision, ingress?.runnerUp?.sources[0]?.object.name], ['allow', 'allow']);
    assert.deepEqual([ingress?.without?.decision, ingress?.without?.sources[0]?.object.name], ['allow', 'allow']);
  });

  const refused: readonly [from: string, to: string, port: number | string, exitCode: number, line: RegExp][] = [
    ['default/webb', 'db', 80, 1, /^there is no Pod default\/webb; did you mean default\/web\? labels such as k8s:app=webb need none$/],
    ['old', 'db', 80, 1, /^Pod default\/old has ended \(Succeeded\)/],
    [
      'io.kubernetes.pod.namespace=default',
      'db',
      80,
      1,
      /^pods that policies can tell apart have k8s:io\.kubernetes\.pod\.namespace=default: name one, such as (default\/\S+,? ?){3}$/,
    ],
    ['web', 'db', 'http', 1, /^Pod default\/db has no port "http": it has postgres$/],
    ['2001:db8::1', 'db', 80, 1, /^2001:db8::1 and Pod default\/db have no IP family in common$/],
    ['reserved:host', 'db', 80, 2, /cannot have these labels$/],
    ['a/b/c', 'db', 80, 2, /^--from must be a pod \(namespace\/name\), labels/],
  ];
  for (const [from, to, port, exitCode, line] of refused) {
    test(`${from} to ${to} port ${port} is refused`, async () => {
      await assert.rejects(ask(from, to, port), (error) => {
        assert.ok(error instanceof CliError);
        assert.match(error.message, line);
        return error.exitCode === exitCode;
      });
    });
  }

  test('what is wrong with policies is found in their folder', async () => {
    const policy = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'odd' },
      spec: { endpointSelector: {}, ingress: [{ fromEntities: ['wrold'] }] },
    };
    const found = diagnosePolicies([...(await shop()).objects, viewOf(policy)], DEFAULT_SETTINGS);
    assert.deepEqual(
      found.map(({ object, path }) => `${object?.name} ${path.join('.')}`),
      ['odd ', 'odd spec.ingress.0.fromEntities.0'],
    );
  });
});

test('verdicts between addresses of random worlds are those of the oracle', () => {
  const seed = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
  let compared = 0;
  const property = fc.property(randomWorld(), fc.nat(), ({ objects }, start) => {
    const views = objects.map(viewOf);
    const packets = [...packetsIn(objects)];
    for (let index = start; index < start + 5; index += 1) {
      const packet = packets[index % packets.length];
      if (!packet || (podAt(objects, packet.from) ?? podAt(objects, packet.to)) === undefined) continue;
      const protocol = new Map<string, number>(Object.entries(IP_PROTOCOLS)).get(packet.protocol) ?? 0;
      const question = { from: parsePartyName('from', packet.from), to: parsePartyName('to', packet.to), protocol, port: packet.port };
      const { egress, ingress } = judge(views, {}, question);
      const decisions = [egress, ingress].map((end) => end?.decision ?? 'allow');
      const decision = (['deny', 'slot'] as const).find((each) => decisions.includes(each)) ?? 'allow';
      assert.equal(decision, askOracle(objects, packet), `${JSON.stringify(packet)}, seed ${seed}`);
      compared += 1;
    }
  });
  fc.assert(property, { seed, numRuns: 60 });
  assert.ok(compared > 100, `${compared} compared, seed ${seed}`);
});
