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
/** What is remembered of each policy; where there is more, all of that policy is forgotten. */
const MOST = 4_096;

interface Decided {
  readonly decision: Verdict['decision']['kind'];
  readonly by: readonly ObjectRef[];
}

/** Whose rules decided what the kernel judged, by the policies that this node is told of. They may be others by now, and then nobody did. */
export class Deciders {
  readonly #cache: Pick<SnapshotCache, 'get'>;
  readonly #known = new WeakMap<Resource, Map<string, Decided>>();

  constructor(cache: Pick<SnapshotCache, 'get'>) {
    this.#cache = cache;
  }

  /** Each object once, in the order of its rules. */
  of(judged: Judged): readonly ObjectRef[] {
    const decision = DECISIONS.get(judged.outcome);
    const policy = decision && this.#cache.get({ typeUrl: SUBJECT_POLICY_TYPE, name: String(judged.subject) });
    if (!policy) return NOBODY;
    const decided = this.#find(policy, judged);
    return decided.decision === decision ? decided.by : NOBODY;
  }

  #find(policy: Resource, judged: Judged): Decided {
    const known = this.#known.get(policy) ?? new Map<string, Decided>();
    this.#known.set(policy, known);
    const key = `${judged.direction} ${judged.peer} ${judged.protocol} ${judged.port}`;
    const found = known.get(key) ?? decide(policy, judged);
    if (known.size >= MOST) known.clear();
    known.set(key, found);
    return found;
  }
}

function decide({ body }: Resource, { direction, peer, protocol, port }: Judged): Decided {
  const { decision, verdict } = judgePacket(readPolicy(body, direction, peer), peer, protocol, port);
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
