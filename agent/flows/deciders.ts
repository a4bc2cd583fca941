import { type Direction, type DirectionPolicy, type Identity, type ObjectRef, objectKey, type Verdict } from '../../model/index.ts';
import { judgePacket } from '../../policy/verdicts/lookup.ts';
import { type Resource, type SnapshotCache, SUBJECT_POLICY_TYPE } from '../../xds-server/serve/index.ts';
import { policyAbout } from './policy-about.ts';

/** What was judged, and what came of it. */
export interface Judged {
  readonly subject: Identity;
  readonly peer: Identity;
  readonly direction: Direction;
  readonly protocol: number;
  /** Destination port, or the type of an ICMP message. */
  readonly port: number;
  /** `passed-allowed`, `dropped-denied`, … */
  readonly outcome: string;
}

/** Outcomes that are a rule's doing, with what that says. By default nothing is allowed, or everything is, by no rule. */
const DECISIONS: ReadonlyMap<string, Verdict['decision']['kind']> = new Map([
  ['passed-allowed', 'allow'],
  ['passed-steered', 'slot'],
  ['passed-audited', 'deny'],
  ['dropped-denied', 'deny'],
]);

const NOBODY: readonly ObjectRef[] = [];
/** So much is remembered of each policy; what was found first is forgotten first. */
const MOST_DECIDED = 4_096;
/** The same of what it says about a peer, which may be long. */
const MOST_PEERS = 16;
/** Of each second, what it takes at most to look rules up. A pod that asks for one port after another would take all of it. */
const BUDGET_MS = 50;
const SECOND_MS = 1_000;

interface Decided {
  readonly decision: Verdict['decision']['kind'];
  readonly by: readonly ObjectRef[];
}

interface Known {
  /** By direction and peer: to find them in a policy takes the longest. */
  readonly about: Map<string, DirectionPolicy>;
  readonly decided: Map<string, Decided>;
}

/**
 * Whose rules decided what the kernel judged, by the policies that this node is told of. They may be others by now, and then nobody did. Nobody is named
 * either of what would take more time than there is for it.
 */
export class Deciders {
  readonly #cache: Pick<SnapshotCache, 'get'>;
  readonly #now: () => number;
  readonly #known = new WeakMap<Resource, Known>();
  #secondFrom = Number.NEGATIVE_INFINITY;
  #spentMs = 0;

  /** @param now milliseconds of a clock that only goes on */
  constructor(cache: Pick<SnapshotCache, 'get'>, now: () => number = () => performance.now()) {
    this.#cache = cache;
    this.#now = now;
  }

  /** Each object once, in the order of its rules. */
  of(judged: Judged): readonly ObjectRef[] {
    const decision = DECISIONS.get(judged.outcome);
    const policy = decision && this.#cache.get({ typeUrl: SUBJECT_POLICY_TYPE, name: String(judged.subject) });
    if (!policy) return NOBODY;
    const decided = this.#find(policy, judged);
    return decided?.decision === decision ? decided.by : NOBODY;
  }

  #find(policy: Resource, judged: Judged): Decided | undefined {
    const known = this.#known.get(policy) ?? { about: new Map(), decided: new Map() };
    this.#known.set(policy, known);
    const peer = `${judged.direction} ${judged.peer}`;
    return remembered(known.decided, MOST_DECIDED, `${peer} ${judged.protocol} ${judged.port}`, () =>
      this.#afford(() => {
        const about = remembered(known.about, MOST_PEERS, peer, () => readPolicy(policy.body, judged.direction, judged.peer));
        return about && decide(about, judged);
      }),
    );
  }

  /** @returns undefined where too much time went into it in this second */
  #afford(look: () => Decided | undefined): Decided | undefined {
    const begin = this.#now();
    if (begin - this.#secondFrom >= SECOND_MS) [this.#secondFrom, this.#spentMs] = [begin, 0];
    if (this.#spentMs >= BUDGET_MS) return undefined;
    const found = look();
    this.#spentMs += this.#now() - begin;
    return found;
  }
}

function remembered<T>(known: Map<string, T>, most: number, key: string, find: () => T | undefined): T | undefined {
  const found = known.get(key) ?? find();
  if (found === undefined || known.has(key)) return found;
  const [oldest] = known.keys();
  if (known.size >= most && oldest !== undefined) known.delete(oldest);
  known.set(key, found);
  return found;
}

function decide(policy: DirectionPolicy, { peer, protocol, port }: Judged): Decided {
  const { decision, verdict } = judgePacket(policy, peer, protocol, port);
  const objects = (verdict?.sources ?? []).map(({ object }) => [objectKey(object), object] as const);
  return { decision: decision.kind, by: [...new Map(objects).values()] };
}

/** What this version cannot read says nothing. */
function readPolicy(body: Uint8Array, direction: Direction, peer: Identity): DirectionPolicy {
  try {
    return policyAbout(body, direction, peer);
  } catch {
    return { defaultDeny: true, verdicts: [] };
  }
}
