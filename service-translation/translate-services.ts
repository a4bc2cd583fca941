import { type EndpointSlice, refOf, type Service } from '../kube/index.ts';
import { compareDiagnostics, type Diagnostic, type ServiceFrontend, type ServicePortTranslation } from '../model/index.ts';
import { diagnose } from './codes.ts';
import { compareText } from './endpoints.ts';
import { type ServiceTranslation, type TranslationNode, type TranslationOptions, translateService } from './translate-service.ts';
import { familyOf, usableAddress } from './usable-address.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';

/**
 * The translations of all Services for a node, sorted by name. Where several Services claim an address, one gets it, so that nobody takes a
 * ClusterIP away by naming it as an external IP.
 * @see translateService
 */
export function translateServices(
  services: Iterable<Service>,
  slices: Iterable<EndpointSlice>,
  node: TranslationNode,
  options: TranslationOptions = {},
): ServiceTranslation {
  const slicesOf = Map.groupBy(slices, ({ metadata }) => `${metadata.namespace}/${metadata.labels[SERVICE_NAME] ?? ''}`);
  const all = [...services].toSorted(compareAge);
  const translated = all.map((service) => {
    const own = slicesOf.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [];
    return { service, ...translateService(service, own, node, options) };
  });
  const diagnostics = translated.flatMap((one) => one.diagnostics);
  const owners = claimFrontends(translated, diagnostics);
  const translations = translated.flatMap((one) =>
    one.translations.flatMap((translation): ServicePortTranslation[] => {
      const frontends = translation.frontends.filter((frontend) => owners.get(keyOf(frontend))?.translation === translation);
      if (frontends.length === translation.frontends.length) return [translation];
      return frontends.length === 0 ? [] : [{ ...translation, frontends }];
    }),
  );
  return {
    translations: translations.toSorted((a, b) => compareText(a.name, b.name)),
    diagnostics: distinct(diagnostics).toSorted(compareDiagnostics),
  };
}

interface Translated {
  readonly service: Service;
  readonly translations: readonly ServicePortTranslation[];
}

interface Claim {
  readonly service: Service;
  readonly translation: ServicePortTranslation;
}

/** @param translated oldest first */
function claimFrontends(translated: readonly Translated[], diagnostics: Diagnostic[]): ReadonlyMap<string, Claim> {
  const owners = new Map<string, Claim>();
  const claims = translated.flatMap(({ service, translations }) =>
    translations.flatMap((translation) =>
      translation.frontends.map((frontend) => ({ service, translation, frontend, rank: rankOf(service, frontend) })),
    ),
  );
  for (const { service, translation, frontend } of claims.toSorted((a, b) => a.rank - b.rank)) {
    const owner = owners.get(keyOf(frontend));
    if (!owner) owners.set(keyOf(frontend), { service, translation });
    if (!owner || owner.service === service) continue;
    const { address, port, protocol } = frontend;
    const { namespace, name } = owner.service.metadata;
    const message = `${address} with port ${port}/${protocol} belongs to Service ${namespace}/${name}`;
    diagnostics.push(diagnose(refOf(service), ['spec'], 'ServiceAddressConflict', message));
  }
  return owners;
}

function rankOf({ spec, status }: Service, { address }: ServiceFrontend): number {
  const isAmong = (texts: readonly (string | undefined)[]) => texts.some((text) => text !== undefined && canonical(text) === address);
  if (isAmong([spec.clusterIP, ...spec.clusterIPs])) return 0;
  const points = (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode !== 'Proxy');
  return isAmong(points.map(({ ip }) => ip)) ? 1 : 2;
}

function canonical(text: string): string | undefined {
  const family = familyOf(text);
  return family && usableAddress(text, family);
}

function compareAge({ metadata: a }: Service, { metadata: b }: Service): number {
  const [first, second] = [a, b].map(({ creationTimestamp }) => (creationTimestamp === undefined ? 0 : Date.parse(creationTimestamp)));
  return (first ?? 0) - (second ?? 0) || compareText(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`);
}

function keyOf({ address, port, protocol }: ServiceFrontend): string {
  return `${address} ${port}/${protocol}`;
}

/** What is wrong with a slice is found for every port. */
function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...new Map(diagnostics.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values()];
}
