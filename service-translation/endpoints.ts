import { type EndpointSlice, refOf, type ServicePort, type SliceEndpoint } from '../kube/index.ts';
import { compareText, type Diagnostic } from '../model/index.ts';
import { diagnose } from './codes.ts';
import { type Family, usableAddress } from './usable-address.ts';

/** An endpoint of one port of a Service. */
export interface Candidate {
  readonly address: string;
  readonly port: number;
  readonly isReady: boolean;
  readonly isServing: boolean;
  readonly isTerminating: boolean;
  readonly node: string | undefined;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
}

/**
 * The endpoints of a port in one family, each once: while endpoints move from one slice to another they may be in both. Of several
 * entries the one that is ready counts, then the one that serves, then the first by the name of its slice.
 * @param slices of the Service
 * @see https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#duplicate-endpoints
 */
export function readEndpoints(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  family: Family,
  diagnostics: Diagnostic[],
): readonly Candidate[] {
  const byPlace = new Map<string, Candidate>();
  const ofFamily = slices.filter(({ addressType }) => addressType === family);
  for (const slice of ofFamily.toSorted((a, b) => compareText(a.metadata.name, b.metadata.name))) {
    const numbers = slice.ports.filter(({ name, protocol }) => name === port.name && protocol === port.protocol);
    for (const [index, endpoint] of slice.endpoints.entries()) {
      // The addresses of one endpoint are interchangeable; kube-proxy uses the first, too.
      const [text = ''] = endpoint.addresses;
      const address = usableAddress(text, family);
      if (address === undefined) {
        const path = ['endpoints', index, 'addresses', 0];
        diagnostics.push(
          diagnose(refOf(slice), path, 'InvalidServiceEndpoint', `"${text}" is no ${family} address that can be an endpoint`),
        );
        continue;
      }
      for (const { port: number } of numbers) {
        if (number === undefined) continue;
        const candidate = readEndpoint(endpoint, address, number);
        const key = `${address} ${number}`;
        const known = byPlace.get(key);
        if (!known || preference(candidate) > preference(known)) byPlace.set(key, candidate);
      }
    }
  }
  return [...byPlace.values()].toSorted((a, b) => compareText(a.address, b.address) || a.port - b.port);
}

function readEndpoint({ conditions, nodeName, hints }: SliceEndpoint, address: string, port: number): Candidate {
  return {
    address,
    port,
    isReady: conditions.ready ?? true,
    isServing: conditions.serving ?? true,
    isTerminating: conditions.terminating ?? false,
    node: nodeName,
    zoneHints: hints?.forZones ?? [],
    nodeHints: hints?.forNodes ?? [],
  };
}

function preference({ isReady, isServing }: Candidate): number {
  return Number(isReady) * 2 + Number(isServing);
}
