import { type KubeObject, validateObject } from '../../kube/index.ts';

export interface PolicyCorpusSize {
  /** Each with labels of its own, and so an identity. */
  readonly workloads: number;
  readonly podsPerWorkload: number;
  readonly policies: number;
  /** Whether Cilium's policies ask for requests and server names, and a clusterwide one asks any peer for requests. Default: false. */
  readonly layer7?: boolean;
}

const WORKLOADS_PER_NAMESPACE = 20;

/** A cluster of many workloads in namespaces of 20, and policies as they are usual: half of Kubernetes, half of Cilium. */
export function* policyCorpus({ workloads, podsPerWorkload, policies, layer7 = false }: PolicyCorpusSize): Iterable<KubeObject> {
  const namespaces = Math.ceil(workloads / WORKLOADS_PER_NAMESPACE);
  for (let index = 0; index < namespaces; index++) {
    yield viewOf({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: `ns-${index}`, labels: { team: `team-${index % 10}` } } });
  }
  for (let index = 0; index < workloads * podsPerWorkload; index++) yield podObject(index % workloads, index);
  for (let index = 0; index < policies; index++) yield policyObject(index, namespaces, layer7);
  if (layer7) yield clusterwidePolicy();
}

/**
 * A pod of a workload; with the number of pods that there are it is one more.
 * @param app its label of that name, by which its identity is new if no other pod has it
 */
export function podObject(workload: number, number: number, app = `app-${workload}`): KubeObject {
  const namespace = Math.floor(workload / WORKLOADS_PER_NAMESPACE);
  const ip = `10.${64 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
  return viewOf({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `pod-${number}`,
      namespace: `ns-${namespace}`,
      uid: `uid-${number}`,
      labels: { app, tier: `tier-${workload % 4}`, 'pod-template-hash': `${number}` },
    },
    spec: {
      nodeName: `node-${number % 100}`,
      containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8000 + (workload % 3) }] }],
    },
    status: { phase: 'Running', podIPs: [{ ip }] },
  });
}

/** What everybody may ask of everybody's port 8080. */
function clusterwidePolicy(): KubeObject {
  const toPorts = [{ ports: [{ port: '8080', protocol: 'TCP' }], rules: { http: [{ method: 'GET', path: '/healthz' }] } }];
  return viewOf({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumClusterwideNetworkPolicy',
    metadata: { name: 'health' },
    spec: { endpointSelector: {}, ingress: [{ toPorts }] },
  });
}

/** @param number of a workload that gets policies; its rules are its own */
export function editedPolicy(number: number, namespaces: number, edit: number): KubeObject {
  return policyObject(number, namespaces, true, `/edit/${edit}`);
}

function policyObject(index: number, namespaces: number, layer7: boolean, path = `/${index}/.*`): KubeObject {
  const namespace = index % namespaces;
  const workload = namespace * WORKLOADS_PER_NAMESPACE + (index % WORKLOADS_PER_NAMESPACE);
  const metadata = { name: `policy-${index}`, namespace: `ns-${namespace}` };
  const app = { matchLabels: { app: `app-${workload}` } };
  if (index % 2 === 0) {
    const from = [
      { podSelector: { matchLabels: { tier: `tier-${index % 4}` } } },
      { namespaceSelector: { matchLabels: { team: `team-${index % 10}` } } },
    ];
    const to = [{ ipBlock: { cidr: `203.0.${index % 256}.0/24`, except: [`203.0.${index % 256}.128/25`] } }, { namespaceSelector: {} }];
    const ports = [{ port: 'http' }, { port: 9000, endPort: 9100 }];
    return viewOf({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: { podSelector: app, policyTypes: ['Ingress', 'Egress'], ingress: [{ from, ports }], egress: [{ to, ports: [{ port: 443 }] }] },
    });
  }
  return viewOf({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata,
    spec: {
      endpointSelector: app,
      ingress: [
        {
          fromEndpoints: [{}],
          toPorts: [{ ports: [{ port: '8080', protocol: 'TCP' }], ...(layer7 && { rules: { http: [{ method: 'GET', path }] } }) }],
        },
        { fromEntities: ['cluster'], icmps: [{ fields: [{ type: 8 }] }] },
      ],
      egress: [
        { toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': `ns-${(namespace + 1) % namespaces}` } }] },
        {
          toCIDR: ['198.51.100.0/24'],
          ...(layer7 && { toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }], serverNames: [`*.app-${index}.example`] }] }),
        },
      ],
      egressDeny: [{ toCIDRSet: [{ cidr: '198.51.100.0/24', except: ['198.51.100.64/26'] }] }],
    },
  });
}

function viewOf(raw: unknown): KubeObject {
  const seen = validateObject(raw);
  if (seen.result !== 'valid') throw new Error(JSON.stringify(seen));
  return seen.object;
}
