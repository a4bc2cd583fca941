import { IP_PROTOCOLS } from '../../model/index.ts';
import type { Packet } from '../oracle/judge.ts';
import type { PlainObject } from '../oracle/objects.ts';
import { nodesOf, podsOf } from '../oracle/parties.ts';
import type { Talk } from '../oracle/talk.ts';
import type { SlotTalk, TalkOutcome } from '../testing/compiled-policy.ts';

export type Outcome = TalkOutcome;

/** One line of `requests.txt`. */
export interface Request {
  readonly line: string;
  readonly packet: Packet;
  readonly talk: Talk;
  readonly outcome: Outcome;
}

/** Outside of the cluster. */
const WORLD = '203.0.113.7';
const LINE =
  /^(?<from>\S+) → (?<to>\S+) (?<protocol>TCP|UDP)\/(?<port>\d+)(?: (?<method>[A-Z]+) (?<path>\/\S*))?(?<rest>(?: [\w-]+=\S+)*) +: (?<outcome>.+)$/;
const OUTCOMES: readonly Outcome[] = ['allowed', 'denied by layer 4', 'denied by layer 7', 'answered by Envoy'];
const PROTOCOLS: Readonly<Record<string, number>> = IP_PROTOCOLS;

/**
 * Reads lines such as `client → api TCP/80 GET /public x-role=admin : denied by layer 7`. `host` and `sni` are no headers. Parties are
 * pods, nodes and `world`. Throws for what is not written so.
 */
export function readRequests(text: string, objects: readonly PlainObject[]): readonly Request[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => readRequest(line, objects));
}

function readRequest(line: string, objects: readonly PlainObject[]): Request {
  const { from, to, protocol = '', port, method = '', path = '', rest = '', outcome } = LINE.exec(line)?.groups ?? {};
  const found = OUTCOMES.find((each) => each === outcome);
  if (from === undefined || to === undefined || found === undefined) throw new Error(`cannot be read: ${line}`);
  const said = rest.split(' ').flatMap((text): [string, string][] => {
    const at = text.indexOf('=');
    return at > 0 ? [[text.slice(0, at), text.slice(at + 1)]] : [];
  });
  const { host = '', sni = '', ...headers } = Object.fromEntries(said);
  const packet = { from: addressOf(from, objects), to: addressOf(to, objects), protocol, port: Number(port) };
  return { line, packet, talk: { method, path, host, headers, serverName: sni }, outcome: found };
}

function addressOf(name: string, objects: readonly PlainObject[]): string {
  if (name === 'world') return WORLD;
  const pod = podsOf(objects).find(({ metadata }) => metadata.name === name)?.status.podIPs?.[0]?.ip;
  const node = nodesOf(objects).find(({ metadata }) => metadata.name === name)?.status?.addresses?.[0]?.address;
  const address = pod ?? node;
  if (address === undefined) throw new Error(`nobody is called ${name}`);
  return address;
}

/** The same for what is compiled. */
export function compiledQuestion({ packet, talk: { serverName, headers, ...request } }: Request): {
  readonly packet: Omit<Packet, 'protocol'> & { readonly protocol: number };
  readonly talk: SlotTalk;
} {
  return {
    packet: { ...packet, protocol: PROTOCOLS[packet.protocol] ?? 0 },
    talk: { request: { ...request, headers: Object.entries(headers) }, serverName },
  };
}
