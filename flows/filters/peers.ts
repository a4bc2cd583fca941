import { BlockList, isIP } from 'node:net';
import type { Workload } from '@sluice/envoy-protos/hubble/flow_pb.js';
import type { FlowPeer } from '../flow.ts';
import { OptionProblem } from '../option-problem.ts';
import { labelSelector } from './label-selector.ts';
import { domainPattern, namePrefix } from './name-patterns.ts';

export type MatchesPeer = (peer: FlowPeer) => boolean;

const FAMILIES = { 4: 'ipv4', 6: 'ipv6' } as const;

/** An address, or a prefix in CIDR notation. */
export function address(text: string): MatchesPeer | OptionProblem {
  const [base = '', length, ...rest] = text.split('/');
  const version = isIP(base);
  const bits = length === undefined ? undefined : Number(length);
  const isLength = bits === undefined || (/^\d{1,3}$/.test(length ?? '') && bits <= (version === 4 ? 32 : 128));
  if ((version !== 4 && version !== 6) || !isLength || rest.length > 0) {
    return new OptionProblem(`${JSON.stringify(text)} is neither an address nor a prefix of addresses`);
  }
  const list = new BlockList();
  if (bits === undefined) list.addAddress(base, FAMILIES[version]);
  else list.addSubnet(base, bits, FAMILIES[version]);
  return (peer) => isIP(peer.address) === version && list.check(peer.address, FAMILIES[version]);
}

export function pod(text: string): MatchesPeer | OptionProblem {
  const matches = namePrefix(text);
  if (matches instanceof OptionProblem) return matches;
  return ({ namespace, pod }) => (namespace !== undefined || pod !== undefined) && matches(namespace ?? '', pod ?? '');
}

export function service(text: string): MatchesPeer | OptionProblem {
  const matches = namePrefix(text);
  if (matches instanceof OptionProblem) return matches;
  return ({ service }) => service !== undefined && matches(service.namespace, service.name);
}

export function domain(pattern: string): MatchesPeer | OptionProblem {
  const matches = domainPattern(pattern);
  return matches instanceof OptionProblem ? matches : ({ names }) => names?.some(matches) ?? false;
}

export function labels(selector: string): MatchesPeer | OptionProblem {
  const matches = labelSelector(selector);
  return matches instanceof OptionProblem ? matches : (peer) => matches(peer.labels);
}

/** What is empty in one matches anything. */
export function workload({ kind, name }: Workload): MatchesPeer {
  return ({ workload: is }) => is !== undefined && (name === '' || name === is.name) && (kind === '' || kind === is.kind);
}
