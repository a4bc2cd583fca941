import { type Identity, RESERVED_IDENTITIES } from '../../model/index.ts';
import type { AddressTable } from './address-table.ts';
import type { EndpointTable } from './endpoint-table.ts';
import { decodeAddress, encodeAddress } from './prefix.ts';
import type { VerdictTable } from './verdict-table.ts';

/** What Envoy opened for a pod that asked a Service which a listener took. */
export interface OpenedForPod {
  /** The pod's. */
  readonly source: string;
  readonly destination: string;
  readonly port: number;
}

/** @internal */
export interface JudgingTables {
  readonly addresses: Pick<AddressTable, 'identityOf'>;
  readonly endpoints: Pick<EndpointTable, 'entries'>;
  readonly verdicts: Pick<VerdictTable, 'judge' | 'isAudited'>;
}

/** Routes lead nothing to a slot that goes to the node itself. */
const HOST: Identity = RESERVED_IDENTITIES.host;

/**
 * What the programs say of connections that are opened now: as `bpf/programs/for-client.h`.
 * @returns for each the port of the slot that it is led to, 0 where that is none, undefined where it is refused
 */
export function judgeOpenedForPods(tables: JudgingTables, all: readonly OpenedForPod[]): readonly (number | undefined)[] {
  const { addresses, endpoints, verdicts } = tables;
  const clients = new Map<string, Identity>();
  for (const [, { identity, addresses: own }] of endpoints.entries()) for (const address of own) clients.set(address, identity);
  const answers = new Map<OpenedForPod, number | undefined>();
  for (const [identity, opened] of Map.groupBy(all, ({ source }) => clients.get(canonical(source)))) {
    if (identity === undefined) continue;
    const connections = opened.map(({ destination, port }) => ({ peer: addresses.identityOf(destination), port }));
    const slots = verdicts.judge(identity, 'egress', connections);
    const refused = verdicts.isAudited(identity) ? 0 : undefined;
    for (const [index, each] of opened.entries()) {
      const slot = slots[index];
      answers.set(each, slot === undefined || (slot > 0 && connections[index]?.peer === HOST) ? refused : slot);
    }
  }
  return all.map((each) => answers.get(each));
}

function canonical(address: string): string {
  return decodeAddress(encodeAddress(address));
}
