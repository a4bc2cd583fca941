import { isDeepStrictEqual } from 'node:util';
import type { Datapath } from '../../bpf/datapath/index.ts';
import { type Identity, RESERVED_IDENTITIES, type SubjectPolicy } from '../../model/index.ts';
import type { TcpSocket, TcpSockets } from '../netlink/index.ts';
import { LEG_MARKS, slotPortOf } from '../network/index.ts';
import type { DevicesState } from '../pods/index.ts';
import { FailureOnce } from './failure-once.ts';

export interface FormerSlotsOptions {
  readonly datapath: {
    readonly addresses: Pick<Datapath['addresses'], 'identityOf'>;
    readonly verdicts: Pick<Datapath['verdicts'], 'judge'>;
  };
  readonly policyOf: (identity: Identity) => SubjectPolicy | undefined;
  /** Of the node. */
  readonly connections: Pick<TcpSockets, 'list' | 'destroy'>;
  /** Told what could not be done, and is tried again when this is asked next. */
  readonly onFailure: (error: Error) => void;
}

/** What a connection is to a pod. */
interface ToPod {
  readonly pod: string;
  readonly peer: string;
  readonly port: number;
}

interface Leg {
  readonly mark: number;
  readonly read: (socket: TcpSocket) => ToPod;
}

/** Who opened a connection hears of its end before Envoy hears of its own, which it would open anew. */
const LEGS: readonly Leg[] = [
  {
    mark: LEG_MARKS.ingressListener,
    read: ({ source, sourcePort, destination }) => ({ pod: source, peer: destination, port: sourcePort }),
  },
  {
    mark: LEG_MARKS.ingressUpstream,
    read: ({ source, destination, destinationPort }) => ({ pod: destination, peer: source, port: destinationPort }),
  },
];
const HOST: Identity = RESERVED_IDENTITIES.host;

/**
 * Ends Envoy's connections to pods by slots that do not hold for them any more. The pod's door drops what Envoy has let by and the pod has not
 * got, so who waits for an answer would hear nothing; at an egress slot nothing is dropped, and answers get through.
 */
export class FormerSlots {
  readonly #options: FormerSlotsOptions;
  /** What was in force for a pod when its connections were looked through last, by the device. */
  #seen: ReadonlyMap<number, SubjectPolicy | undefined> = new Map();
  readonly #failure: FailureOnce;

  constructor(options: FormerSlotsOptions) {
    this.#options = options;
    this.#failure = new FailureOnce(options.onFailure);
  }

  /** Somebody is somebody else, so connections to all pods are looked through when this is asked next. */
  forget(): void {
    this.#seen = new Map();
  }

  /** To be called when what is told is in force, where there may be connections by slots. */
  end(pods: DevicesState['pods']): void {
    const { connections } = this.#options;
    const concerned = this.#changed(pods);
    if (concerned.length === 0) return;
    const identities = new Map(
      concerned.flatMap(({ endpoint }) => endpoint.addresses.map((address) => [address, endpoint.identity] as const)),
    );
    try {
      for (const { mark, read } of LEGS) {
        const all = connections.list({ mark, mask: LEG_MARKS.mask });
        const former = Map.groupBy(all, (socket) => identities.get(read(socket).pod));
        for (const [subject, sockets] of former) if (subject !== undefined) this.#endFormer(subject, sockets, read);
      }
      this.#failure.over();
    } catch (cause) {
      this.forget();
      this.#failure.note(cause);
    }
  }

  #changed(pods: DevicesState['pods']): DevicesState['pods'] {
    const seen = new Map(pods.map(({ ifindex, endpoint }) => [ifindex, this.#options.policyOf(endpoint.identity)]));
    const changed = pods.filter(({ ifindex }) => !this.#seen.has(ifindex) || !areSame(this.#seen.get(ifindex), seen.get(ifindex)));
    this.#seen = seen;
    return changed;
  }

  /** Whose peer has the node's address may have been masqueraded, which stands in packets alone: it is let be. */
  #endFormer(subject: Identity, sockets: readonly TcpSocket[], read: Leg['read']): void {
    const { datapath, policyOf, connections } = this.#options;
    const opened = sockets.map((socket) => ({ peer: datapath.addresses.identityOf(read(socket).peer), port: read(socket).port }));
    const slots = datapath.verdicts.judge(subject, 'ingress', opened);
    const audits = policyOf(subject)?.audits === true;
    for (const [index, socket] of sockets.entries()) {
      if (opened[index]?.peer !== HOST && isFormer(socket, slots[index], audits)) connections.destroy(socket);
    }
  }
}

/** @param slot as the kernel judges now: 0 where no slot decides, and undefined where it may not be */
function isFormer({ mark }: TcpSocket, slot: number | undefined, audits: boolean): boolean {
  // All that comes from Envoy passes, so what it has let by is answered.
  if (slot === 0 || (slot === undefined && audits)) return false;
  return slot !== slotPortOf(mark);
}

/** Of what a pod takes. */
function areSame(a: SubjectPolicy | undefined, b: SubjectPolicy | undefined): boolean {
  return a === b || (a?.audits === b?.audits && isDeepStrictEqual(a?.ingress, b?.ingress));
}
