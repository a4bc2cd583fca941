import { IP_PROTOCOLS } from '../../model/index.ts';
import type { PlainObject } from '../oracle/objects.ts';
import { compileAll, hostsOf } from './compile.ts';
import { namespace, node, pod } from './manifests.ts';

/** A pod `web`, one beside it, one of another namespace on another node. */
export const NEIGHBOURHOOD: readonly PlainObject[] = [
  namespace('default'),
  namespace('other'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  node('node-1', '192.168.56.11', '10.244.1.0/24'),
  pod('web', '10.244.0.2', { app: 'web' }, { ports: [{ name: 'http', containerPort: 80 }] }),
  pod('near', '10.244.0.3', { app: 'near' }, { ports: [{ name: 'http', containerPort: 80 }] }),
  pod('far', '10.244.1.4', { app: 'far' }, { namespace: 'other', spec: { nodeName: 'node-1' } }),
];

const HOSTS = hostsOf(NEIGHBOURHOOD);
const WEB = '10.244.0.2';
const NEAR = '10.244.0.3';
const FAR = '10.244.1.4';
const OUTSIDE = '203.0.113.7';

/**
 * Which of five pass towards the pod `web`, or from it: a neighbour at port 80 and 81, a pod of another namespace, somebody outside, and
 * an echo of the neighbour.
 */
export function passing(objects: readonly PlainObject[], direction: 'ingress' | 'egress'): string {
  const { compiled } = compileAll([...NEIGHBOURHOOD, ...objects]);
  const judge = (other: string, protocol: number, port: number) =>
    compiled.judge(direction === 'ingress' ? other : WEB, direction === 'ingress' ? WEB : other, protocol, port, HOSTS) === 'allow';
  const passes: [string, boolean][] = [
    ['near80', judge(NEAR, IP_PROTOCOLS.TCP, 80)],
    ['near81', judge(NEAR, IP_PROTOCOLS.TCP, 81)],
    ['far', judge(FAR, IP_PROTOCOLS.TCP, 80)],
    ['outside', judge(OUTSIDE, IP_PROTOCOLS.TCP, 80)],
    ['ping', judge(NEAR, IP_PROTOCOLS.ICMP, 8)],
  ];
  return passes.flatMap(([name, passed]) => (passed ? [name] : [])).join(' ');
}
