import type { Collection, Graph } from '../../collection/index.ts';
import { type BalancingOptions, readBalancedService } from '../../envoy-config/index.ts';
import type { ConfigVerdict } from './envoy-configs-in-force.ts';
import type { Inputs } from './inputs.ts';

/** What Services amount to whose requests are to be balanced, by `namespace/name`. No config of a user's has such a key. */
export function buildBalancedServices(
  graph: Graph,
  inputs: Pick<Inputs, 'services'>,
  options: BalancingOptions,
): Collection<ConfigVerdict> {
  return graph.derive('balanced services', inputs.services, (service): ConfigVerdict | undefined => {
    const reading = readBalancedService(service, options);
    if (!reading) return undefined;
    const { creationTimestamp } = service.metadata;
    const object = { metadata: { ...(creationTimestamp !== undefined && { creationTimestamp }) } };
    return { object, diagnostics: reading.diagnostics, ...(reading.config && { inForce: reading.config }) };
  });
}
