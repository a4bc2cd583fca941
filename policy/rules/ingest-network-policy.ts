import {
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
  type NetworkPolicySpec,
  networkPolicySpec,
  readSpec,
  refOf,
} from '../../kube/index.ts';
import { type Direction, type FieldPath, IP_PROTOCOLS, type ObjectRef, objectKey } from '../../model/index.ts';
import { KUBERNETES, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX } from '../labels/label.ts';
import { type LabelSelector, requireLabel } from '../labels/selector.ts';
import { Findings } from './findings.ts';
import { ingestBlock } from './ingest-cidr.ts';
import { ingestSelector, type KeyReader, readableRequirements } from './ingest-selector.ts';
import { hasItems, hasOnlyKeys, property } from './raw.ts';
import { type DirectionRules, type IngestedPolicy, NO_RULES, type Peer, type PolicyUnit, type PortMatch, type Rule } from './rule.ts';

const podKey: KeyReader = (key) => ({ source: KUBERNETES, key });
const namespaceKey: KeyReader = (key) => ({ source: KUBERNETES, key: NAMESPACE_LABELS_PREFIX + key });
const NAMESPACE = { source: KUBERNETES, key: NAMESPACE_KEY };

/**
 * Reads a NetworkPolicy. One that is wrong allows nothing, and isolates what it selects, as far as that can be read.
 * @see https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */
export function ingestNetworkPolicy(policy: NetworkPolicy): IngestedPolicy {
  const findings = new Findings(refOf(policy));
  const reading = readSpec(networkPolicySpec, policy.spec);
  if (reading.result === 'invalid') for (const { path, message } of reading.problems) findings.refuse(['spec', ...path], message);
  const unit = reading.result === 'valid' ? ingestSpec(findings, reading.spec) : undefined;
  const units = [unit && !findings.isRefused ? unit : refusedUnit(findings.object, policy.spec)];
  return { units, diagnostics: findings.diagnostics };
}

function ingestSpec(findings: Findings, spec: NetworkPolicySpec): PolicyUnit {
  const { object } = findings;
  const subject = ingestSelector(spec.podSelector ?? {}, ['spec', 'podSelector'], podKey, findings);
  const types = isolatedDirections(spec.policyTypes, spec.egress);
  const ingress = (spec.ingress ?? []).map(({ from, ports }, index): Rule => {
    const path = ['spec', 'ingress', index];
    return rule(object, 'ingress', path, ingestPeers(object, from, [...path, 'from'], findings), ports, findings);
  });
  const egress = (spec.egress ?? []).map(({ to, ports }, index): Rule => {
    const path = ['spec', 'egress', index];
    return rule(object, 'egress', path, ingestPeers(object, to, [...path, 'to'], findings), ports, findings);
  });
  return {
    key: objectKey(object),
    object,
    subject: inNamespace(object, subject),
    ingress: types.includes('Ingress') ? { isolates: true, closed: false, rules: ingress } : NO_RULES,
    egress: types.includes('Egress') ? { isolates: true, closed: false, rules: egress } : NO_RULES,
  };
}

function inNamespace({ namespace }: ObjectRef, requirements: LabelSelector['requirements']): LabelSelector {
  return { requirements: [requireLabel(NAMESPACE, 'In', [namespace]), ...requirements] };
}

/** Egress only where it is named, or where there are rules for it and no types are given. */
function isolatedDirections(types: readonly string[] | undefined, egress: unknown): readonly string[] {
  if (types && types.length > 0) return types;
  return hasItems(egress) ? ['Ingress', 'Egress'] : ['Ingress'];
}

function rule(
  object: ObjectRef,
  direction: Direction,
  path: FieldPath,
  peers: Rule['peers'],
  ports: readonly NetworkPolicyPort[] | undefined,
  findings: Findings,
): Rule {
  return {
    direction,
    action: 'allow',
    peers,
    ports: ingestPorts(ports, [...path, 'ports'], findings),
    source: { object, path },
  };
}

/** An empty list of peers stands for all, as an absent one does. */
function ingestPeers(
  object: ObjectRef,
  peers: readonly NetworkPolicyPeer[] | undefined,
  path: FieldPath,
  findings: Findings,
): Rule['peers'] {
  if (!peers || peers.length === 0) return 'any';
  return peers.flatMap((peer, index) => ingestPeer(object, peer, [...path, index], findings) ?? []);
}

function ingestPeer(object: ObjectRef, peer: NetworkPolicyPeer, path: FieldPath, findings: Findings): Peer | undefined {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (ipBlock) {
    if (podSelector || namespaceSelector) {
      findings.refuse([...path, 'ipBlock'], 'must not stand beside podSelector or namespaceSelector');
    }
    const paths = { cidr: [...path, 'ipBlock', 'cidr'], except: [...path, 'ipBlock', 'except'] };
    const block = ingestBlock(ipBlock.cidr, ipBlock.except ?? [], paths, findings);
    return block && { kind: 'addresses', ...block, of: 'every' };
  }
  if (!podSelector && !namespaceSelector) {
    findings.refuse(path, 'must have a podSelector, a namespaceSelector or an ipBlock');
    return undefined;
  }
  const pods = ingestSelector(podSelector ?? {}, [...path, 'podSelector'], podKey, findings);
  if (!namespaceSelector) return { kind: 'labels', selector: inNamespace(object, pods) };
  const namespaces = ingestSelector(namespaceSelector, [...path, 'namespaceSelector'], namespaceKey, findings);
  // Whatever has no namespace is no pod.
  return { kind: 'labels', selector: { requirements: [requireLabel(NAMESPACE, 'Exists'), ...namespaces, ...pods] } };
}

/** An empty list of ports stands for all, as an absent one does. */
function ingestPorts(ports: readonly NetworkPolicyPort[] | undefined, path: FieldPath, findings: Findings): Rule['ports'] {
  if (!ports || ports.length === 0) return 'any';
  return ports.flatMap((port, index) => ingestPort(port, [...path, index], findings) ?? []);
}

function ingestPort(
  { protocol: name = 'TCP', port, endPort }: NetworkPolicyPort,
  path: FieldPath,
  findings: Findings,
): PortMatch | undefined {
  const protocol = IP_PROTOCOLS[name];
  if (endPort !== undefined && typeof port !== 'number') {
    findings.refuse([...path, 'endPort'], 'must stand beside a port that is a number');
    return undefined;
  }
  if (typeof port === 'string') return { kind: 'name', name: port, protocols: [protocol] };
  if (port === undefined) return { kind: 'range', protocol, first: 0, last: 65535 };
  const last = endPort ?? port;
  if (last >= port) return { kind: 'range', protocol, first: port, last };
  findings.refuse([...path, 'endPort'], `must be at least the port, ${port}, not ${last}`);
  return undefined;
}

/** Isolates in the directions that the policy has; where they cannot be read, in both. */
function refusedUnit(object: ObjectRef, raw: unknown): PolicyUnit {
  const types: unknown = property(raw, 'policyTypes') ?? [];
  const known = hasOnlyKeys(raw, Object.keys(networkPolicySpec.shape));
  const readable = known && Array.isArray(types) && types.every((type) => type === 'Ingress' || type === 'Egress');
  const directions = readable ? isolatedDirections(types, property(raw, 'egress')) : ['Ingress', 'Egress'];
  const isolated: DirectionRules = { isolates: true, closed: false, rules: [] };
  return {
    key: objectKey(object),
    object,
    subject: inNamespace(object, readableRequirements(property(raw, 'podSelector'), podKey)),
    ingress: directions.includes('Ingress') ? isolated : NO_RULES,
    egress: directions.includes('Egress') ? isolated : NO_RULES,
  };
}
