import { type CiliumEnvoyConfig, refOf, type Service } from '../../kube/index.ts';
import type { FieldRef } from '../../model/index.ts';
import type { EnvoyConfig } from '../envoy-config.ts';
import { type EnvoyConfigOptions, type EnvoyConfigReading, readEnvoyConfig } from '../read-envoy-config.ts';
import { balancedConfig } from './balanced-config.ts';
import { balancedPorts, whyNotBalanced } from './balanced-ports.ts';
import { BALANCING_PATH, balancingAsked, type DefaultBalancing } from './balancing-asked.ts';
import { diagnoseBalancing } from './codes.ts';

const NOT_LED = 'Services are led to Envoy only where policies are enforced and Services translated';

export interface BalancingOptions extends EnvoyConfigOptions {
  readonly balancing: DefaultBalancing;
}

/**
 * Reads a Service as the config that its annotations amount to, if they ask for its requests to be balanced. All of it is told and owned by
 * the Service.
 * @returns undefined where a Service says nothing of it
 */
export function readBalancedService(service: Service, options: BalancingOptions): EnvoyConfigReading | undefined {
  const { algorithm, diagnostics } = balancingAsked(service, options.balancing);
  if (algorithm === undefined) return diagnostics.length > 0 ? { diagnostics } : undefined;
  const why = options.clientMark === undefined ? NOT_LED : whyNotBalanced(service);
  if (why !== undefined) return { diagnostics: [...diagnostics, diagnoseBalancing(refOf(service), BALANCING_PATH, 'NotBalanced', why)] };
  const balanced = balancedPorts(service);
  const reading = readEnvoyConfig(balancedConfig(service, balanced.ports, algorithm), { ...options, forNodes: true });
  const [wrong] = reading.diagnostics;
  if (!reading.config || wrong) throw new Error(`the config of a balanced Service is wrong: ${wrong?.message}`);
  const source = { object: refOf(service), path: BALANCING_PATH };
  return { config: ownedBy(source, reading.config), diagnostics: [...diagnostics, ...balanced.diagnostics] };
}

/** The same as a config for a user to go on from; undefined where nothing is balanced. */
export function writeBalancedService(service: Service, balancing: DefaultBalancing): CiliumEnvoyConfig | undefined {
  const { algorithm } = balancingAsked(service, balancing);
  if (algorithm === undefined || whyNotBalanced(service) !== undefined) return undefined;
  return balancedConfig(service, balancedPorts(service).ports, algorithm);
}

function ownedBy(source: FieldRef, { resources, listeners, endpointSets, services, ...config }: EnvoyConfig): EnvoyConfig {
  return {
    ...config,
    object: source.object,
    resources: resources.map((resource) => ({ ...resource, source })),
    listeners: listeners.map((listener) => ({ ...listener, source })),
    endpointSets: endpointSets.map((set) => ({ ...set, source })),
    services: services.map((service) => ({ ...service, path: source.path })),
  };
}
