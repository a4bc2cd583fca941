import { HOW_TO_MOUNT, isAsWanted, type NetworkItem, type SteeringObstacle } from '../../agent/network/index.ts';
import { someOf } from '../text/some-of.ts';
import { type CheckResult, ok, warning } from './check.ts';

/** What of a node's network is asked where rules of layer 7 are to be enforced. What cannot be asked throws an Error that says why. */
export interface SteeringFacts {
  /** What must be there, as it is; undefined where nothing was made. */
  readonly items: () => readonly NetworkItem[] | undefined;
  readonly obstacles: () => readonly SteeringObstacle[];
  /** Undefined where settings can be changed. */
  readonly whyNoSysctls: () => string | undefined;
}

const SHOWN = 3;

/** Whether what steers packets to Envoy is there, or could be made. */
export function checkSteering({ items, whyNoSysctls }: SteeringFacts): CheckResult {
  const found = items();
  if (found === undefined) {
    const why = whyNoSysctls();
    if (why === undefined) return ok('steering', 'nothing is steered to Envoy, and could be');
    return warning('steering', why, `rules of layer 7 will need it: ${HOW_TO_MOUNT}`);
  }
  const wrong = found.filter((item) => !isAsWanted(item)).map((item) => `${item.name} is ${item.found ?? 'not there'}, not ${item.wanted}`);
  if (wrong.length === 0) return ok('steering', `all that steers packets to Envoy is there: ${countKinds(found)}`);
  const todo =
    'an enforcer puts it right within a second: see whether one runs here and what it logs; sluice enforcer cleanup takes away what is left of one';
  return warning('steering', someOf(wrong, SHOWN), todo);
}

/** Whether rules of others would drop what is steered. */
export function checkFirewall({ items, obstacles }: SteeringFacts): CheckResult {
  const found = obstacles();
  if (found.length === 0)
    return ok('firewall', 'no table of others drops what is steered to Envoy; rules of iptables-legacy are not looked at');
  const when = items() === undefined ? 'before rules of layer 7 are enforced: ' : '';
  const what = someOf(
    found.map((each) => each.found),
    SHOWN,
  );
  return warning('firewall', what, `${when}${found.map(({ todo }) => todo).join('; ')}`);
}

function countKinds(items: readonly NetworkItem[]): string {
  const kinds = Map.groupBy(items, ({ kind }) => kind);
  return [...kinds].map(([kind, all]) => `${kind} ${all.length}`).join(', ');
}
