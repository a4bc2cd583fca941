import type { Collection, Graph } from '../collection/index.ts';
import { type EndpointSlice, refOf, type Service } from '../kube/index.ts';
import type { ClientNode, Diagnostic, ServicePortTranslation } from '../model/index.ts';
import { type Claim, claimsOf, firstClaim, keepOwn } from './claims.ts';
import { translateService } from './translate-service.ts';

/** The key of what there is one of. */
export const ONLY = 'only';

export interface TranslationInputs {
  /** By `namespace/name`, as those below. */
  readonly services: Collection<Service>;
  readonly slices: Collection<EndpointSlice>;
  /** The node that clients are on, at {@link ONLY}; without it there are no translations. */
  readonly node: Collection<ClientNode>;
  /** Prefixes that clients on the node have their addresses of, at {@link ONLY}. Only Services with source ranges ask for them. */
  readonly clients: Collection<readonly string[]>;
}

export interface DerivedTranslations {
  /** By name. */
  readonly translations: Collection<ServicePortTranslation>;
  /** Who has an address, by its {@link frontendKey}. */
  readonly owners: Collection<Claim>;
  /** By the Service's `namespace/name`; none where nothing is wrong. */
  readonly diagnostics: Collection<readonly Diagnostic[]>;
}

const SERVICE_NAME = 'kubernetes.io/service-name';

/**
 * Keeps the translations of a node up to date: what a change touches is translated again, and nothing else. Where several Services claim an
 * address, one gets it, so that nobody takes a ClusterIP away by naming it as an external IP.
 * @see translateService
 */
export function deriveTranslations(graph: Graph, inputs: TranslationInputs): DerivedTranslations {
  const slices = graph.group('slices of Services', inputs.slices, (slice) => {
    const { namespace, labels } = slice.metadata;
    const name = labels[SERVICE_NAME];
    return name === undefined ? [] : [[`${namespace}/${name}`, slice] as const];
  });
  const wanted = graph.derive('wanted translations', inputs.services, (service, key, read) => {
    const node = read(inputs.node, ONLY);
    if (!node) return undefined;
    const clients = service.spec.loadBalancerSourceRanges.length > 0 ? read(inputs.clients, ONLY) : undefined;
    const result = translateService(service, read(slices, key) ?? [], { ...node, ...(clients && { clients }) });
    return { ...result, ref: refOf(service), claims: claimsOf(service, result.translations) };
  });
  const claims = graph.group('claims of addresses', wanted, ({ claims: own }) => own.map((claim) => [claim.frontend, claim] as const));
  const owners = graph.derive('owners of addresses', claims, (all) => firstClaim(all));
  const owned = graph.derive('translations of Services', wanted, ({ ref, translations, diagnostics }, _key, read) =>
    keepOwn(ref, translations, diagnostics, (frontend) => read(owners, frontend)),
  );
  const byName = graph.group('translations by name', owned, ({ translations }) =>
    translations.map((translation) => [translation.name, translation] as const),
  );
  return {
    owners,
    translations: graph.derive('translations', byName, ([translation]) => translation),
    diagnostics: graph.derive('diagnostics of Services', owned, ({ diagnostics }) => (diagnostics.length > 0 ? diagnostics : undefined)),
  };
}
