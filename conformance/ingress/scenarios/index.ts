import { AREAS, type Scenario } from '../scenario.ts';
import { CHANGES } from './changes.ts';
import { DEFAULT_BACKEND } from './default-backend.ts';
import { HOST_RULES } from './host-rules.ts';
import { INGRESS_CLASS } from './ingress-class.ts';
import { LOAD_BALANCING } from './load-balancing.ts';
import { OWNERSHIP } from './ownership.ts';
import { PATH_RULES } from './path-rules.ts';
import { PLACEMENT } from './placement.ts';
import { PROTOCOLS } from './protocols.ts';
import { SERVICES } from './services.ts';
import { STATUS } from './status.ts';
import { TLS } from './tls.ts';

/** Every scenario, by area. */
export const SCENARIOS: readonly Scenario[] = [
  ...[DEFAULT_BACKEND, HOST_RULES, PATH_RULES, INGRESS_CLASS, LOAD_BALANCING, SERVICES, TLS, PROTOCOLS],
  ...[STATUS, PLACEMENT, OWNERSHIP, CHANGES],
]
  .flat()
  .toSorted((a, b) => AREAS.indexOf(a.area) - AREAS.indexOf(b.area));
