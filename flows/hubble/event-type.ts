import type { Flow } from '../flow.ts';
import { dropReasonOf } from './names.ts';

/** What Cilium's monitor calls events, by the numbers that clients filter by. */
const EVENT_TYPES = { drop: 1, trace: 4, 'policy-verdict': 5, l7: 129 } as const;

/** Of what Cilium tells at the end of a way: that it came to the endpoint. */
const TO_ENDPOINT = 0;

export interface EventType {
  readonly type: number;
  /** Of a drop: the number of its reason. */
  readonly subType: number;
}

export function eventTypeOf(flow: Pick<Flow, 'kind' | 'verdict' | 'reason'>): EventType {
  switch (flow.kind) {
    case 'exchange':
      return { type: EVENT_TYPES.l7, subType: 0 };
    case 'packet-dropped':
      return { type: EVENT_TYPES.drop, subType: dropReasonOf(flow) };
    case 'connection-begun':
    case 'packet-audited':
      return { type: EVENT_TYPES['policy-verdict'], subType: 0 };
    case 'connection-ended':
      return { type: EVENT_TYPES.trace, subType: TO_ENDPOINT };
  }
}
