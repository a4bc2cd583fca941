import type { IngressState } from '../../agent/enforcement/node-ingress.ts';
import type { NodeServicesState } from '../../agent/enforcement/node-services.ts';
import type { SteeringState } from '../../agent/enforcement/steering.ts';
import { isAsWanted } from '../../agent/network/index.ts';
import type { EnforcementStatus, PolicyStatus, RelayStatus, Status } from '../../controller/admin/status.ts';
import type { AdminView } from '../../controller/admin/view.ts';
import { objectKey, type SubjectPolicy } from '../../model/index.ts';
import { countSeverities } from '../text/diagnostics.ts';
import { readVersions } from '../version.ts';
import type { Enforcement } from './enforcement.ts';
import { identitiesOf } from './node-identities.ts';

/** Who enforces policy on a node, as its admin endpoint shows it. */
export class EnforcerView implements AdminView {
  readonly #enforcement: Enforcement;
  readonly #since = new Date().toISOString();

  constructor(enforcement: Enforcement) {
    this.#enforcement = enforcement;
  }

  status(): Status {
    const { isSynced } = this.#enforcement.subscriber.state();
    return {
      role: 'enforcer',
      version: readVersions().sluice,
      pid: process.pid,
      since: this.#since,
      ready: isSynced,
      ...(!isSynced && { notReady: 'the agent has not said everything yet' }),
      relay: this.#describeRelay(),
      enforcement: describeEnforcement(this.#enforcement),
      objects: {},
      resources: {},
      clients: [],
      findings: countSeverities(this.diagnostics()),
      rejected: [],
    };
  }

  /** Of Services, as this node sees them; those of policies are the controllers'. */
  diagnostics(): ReturnType<AdminView['diagnostics']> {
    return this.#enforcement.services.diagnostics();
  }

  model(): ReturnType<AdminView['model']> {
    return { identities: identitiesOf(this.#enforcement) };
  }

  resources(): ReturnType<AdminView['resources']> {
    return [];
  }

  #describeRelay(): RelayStatus {
    const { peer, lastError } = this.#enforcement.subscriber.state();
    return {
      ...(peer && { controller: peer.address }),
      since: (peer?.since ?? lastError?.at ?? new Date(this.#since)).toISOString(),
      ...(!peer && lastError && { error: lastError.message }),
    };
  }
}

/** By Cilium's words: of which directions no more is allowed than rules say, or would not be if they were not only watched. */
function policyStatusOf(policy: SubjectPolicy | undefined): PolicyStatus {
  const directions = (['ingress', 'egress'] as const).filter((direction) => policy?.[direction].defaultDeny);
  const [first] = directions;
  if (!first) return 'none';
  const which = directions.length > 1 ? 'both' : first;
  return policy?.audits ? `audit-${which}` : which;
}

/** The pods of this node, and what becomes of their packets. */
export function describeEnforcement({ datapath, node, services, steering, ingress }: Enforcement): EnforcementStatus {
  const { devices, newcomers, open } = node.state();
  const endpoints = devices.pods.map(({ endpoint: { pod, identity, addresses }, name: device }) => {
    const whyOpen = open.get(objectKey(pod));
    const { namespace, name } = pod;
    const labels = [...(node.labelsOf(identity) ?? [])];
    const policy = policyStatusOf(node.policyOf(identity));
    return {
      namespace,
      name,
      identity,
      labels,
      addresses: [...addresses],
      device,
      policy,
      ...(whyOpen !== undefined && { open: whyOpen }),
    };
  });
  return {
    endpoints,
    // Of others nobody has told the address by which to look for them.
    missing: devices.missing.filter(({ addresses }) => addresses.length > 0).map(({ pod: { namespace, name } }) => ({ namespace, name })),
    newcomers: newcomers.map(({ key: device, identity, addresses }) => ({ device, identity, addresses: [...addresses] })),
    network: [...devices.network.uplinks, ...devices.network.tunnels].map(({ name }) => name),
    ...describeServices(services.state()),
    ...describeSteering(steering.state()),
    ingress: describeIngress(ingress.state()),
    packets: datapath.counters().map((counter) => ({ ...counter, packets: Number(counter.packets), bytes: Number(counter.bytes) })),
  };
}

function describeSteering(state: SteeringState | undefined): Pick<EnforcementStatus, 'steering'> {
  if (!state) return {};
  const { items, restored, failure } = state;
  const wrong = items
    .filter((item) => !isAsWanted(item))
    .map(({ name, wanted, found }) => ({ name, wanted, ...(found !== undefined && { found }) }));
  return { steering: { items: items.length, wrong, restored, ...(failure !== undefined && { failure }) } };
}

function describeIngress({ addresses, pod, needsAddress: required, failure }: IngressState): NonNullable<EnforcementStatus['ingress']> {
  const named = pod && { pod: `${pod.namespace}/${pod.name}` };
  return { addresses: [...addresses], ...named, required, ...(failure !== undefined && { failure }) };
}

function describeServices(state: NodeServicesState | undefined): Pick<EnforcementStatus, 'services'> {
  if (!state) return {};
  const { isInForce: inForce, ...rest } = state;
  return { services: { inForce, ...rest } };
}
