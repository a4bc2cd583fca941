import { quote, refOf, type Service } from '../../kube/index.ts';
import type { Diagnostic, FieldPath } from '../../model/index.ts';
import { type BalancingCode, diagnoseBalancing } from './codes.ts';

const IS_BALANCED = 'service.cilium.io/lb-l7';
const ALGORITHM = 'service.cilium.io/lb-l7-algorithm';
/** Of {@link IS_BALANCED}, which is why a Service has what it has. */
export const BALANCING_PATH: FieldPath = ['metadata', 'annotations', IS_BALANCED];

const ALGORITHMS = { round_robin: 'ROUND_ROBIN', least_request: 'LEAST_REQUEST', random: 'RANDOM' } as const;

/** As Envoy calls it; `MAGLEV` by the client's address, for Services that keep each client with one endpoint. */
export type BalancingAlgorithm = (typeof ALGORITHMS)[keyof typeof ALGORITHMS] | typeof BY_CLIENT;

const BY_WORD: ReadonlyMap<string, BalancingAlgorithm> = new Map(Object.entries(ALGORITHMS));
/** Of the algorithms that keep clients, the one that moves the fewest where endpoints come and go, for a table of a fixed size. */
const BY_CLIENT = 'MAGLEV';

/** Where a Service does not say; `off`: none may ask. */
export type DefaultBalancing = keyof typeof ALGORITHMS | 'off';

export interface BalancingAsked {
  /** Undefined: its requests are not to be balanced. */
  readonly algorithm?: BalancingAlgorithm;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * What the annotations of a Service say.
 * @see https://docs.cilium.io/en/stable/network/servicemesh/envoy-load-balancing/
 */
export function balancingAsked(service: Service, otherwise: DefaultBalancing): BalancingAsked {
  const { [IS_BALANCED]: asked, [ALGORITHM]: word } = service.metadata.annotations;
  if (asked === undefined || asked === 'disabled') return { diagnostics: [] };
  const tell = (path: FieldPath, problem: string) => [diagnoseBalancing(refOf(service), path, 'InvalidBalancing', problem)];
  if (asked !== 'enabled') return { diagnostics: tell(BALANCING_PATH, `is ${quote(asked)}, not enabled or disabled`) };
  if (otherwise === 'off') {
    const problem = 'the setting envoyConfig.balancing is off';
    return { diagnostics: [diagnoseBalancing(refOf(service), BALANCING_PATH, 'NotBalanced', problem)] };
  }
  if (service.spec.sessionAffinity === 'ClientIP') return { algorithm: BY_CLIENT, diagnostics: tellKept(service, word) };
  const algorithm = BY_WORD.get(word ?? otherwise);
  if (algorithm !== undefined) return { algorithm, diagnostics: [] };
  const problem = `is ${quote(word ?? '')}, not ${Object.keys(ALGORITHMS).join(', ')}; it is ${otherwise}`;
  return { algorithm: ALGORITHMS[otherwise], diagnostics: tell(['metadata', 'annotations', ALGORITHM], problem) };
}

/** What of a Service that keeps each client with one endpoint is not as it says. */
function tellKept(service: Service, word: string | undefined): readonly Diagnostic[] {
  const tell = (path: FieldPath, code: BalancingCode, problem: string) => diagnoseBalancing(refOf(service), path, code, problem);
  const diagnostics: Diagnostic[] = [];
  if (word !== undefined) {
    const problem = `is ${quote(word)}, but sessionAffinity ClientIP chooses the endpoint, by the client's address`;
    diagnostics.push(tell(['metadata', 'annotations', ALGORITHM], 'InvalidBalancing', problem));
  }
  const timeout = service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (timeout !== undefined && timeout !== DEFAULT_AFFINITY_SECONDS) {
    const path = ['spec', 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds'];
    diagnostics.push(tell(path, 'AffinityNotTimed', `is ${timeout}: a client's address says which endpoint, whenever it asked last`));
  }
  return diagnostics;
}

/** What the API server writes where nobody says. */
const DEFAULT_AFFINITY_SECONDS = 10_800;
