import { Graph, type Input } from '../collection/index.ts';
import type { EndpointSlice, Service } from '../kube/index.ts';
import { compareDiagnostics, compareText } from '../model/index.ts';
import { deriveTranslations, ONLY } from './derive-translations.ts';
import type { ServiceTranslation, TranslationNode } from './translate-service.ts';

/**
 * The translations of all Services for a node, sorted by name, once.
 * @see deriveTranslations which keeps them up to date
 */
export function translateServices(
  services: Iterable<Service>,
  slices: Iterable<EndpointSlice>,
  { clients, ...node }: TranslationNode,
): ServiceTranslation {
  const graph = new Graph();
  const inputs = {
    services: fill(graph.input<Service>('services'), services),
    slices: fill(graph.input<EndpointSlice>('slices'), slices),
    node: graph.input<typeof node>('node'),
    clients: graph.input<readonly string[]>('clients'),
  };
  inputs.node.set(ONLY, node);
  if (clients) inputs.clients.set(ONLY, clients);
  const { translations, diagnostics } = deriveTranslations(graph, inputs);
  graph.settle();
  return {
    translations: [...translations.values()].toSorted((a, b) => compareText(a.name, b.name)),
    diagnostics: [...diagnostics.values()].flat().toSorted(compareDiagnostics),
  };
}

function fill<V extends Service | EndpointSlice>(input: Input<V>, objects: Iterable<V>): Input<V> {
  for (const object of objects) input.set(`${object.metadata.namespace}/${object.metadata.name}`, object);
  return input;
}
