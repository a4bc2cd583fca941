import type { Service } from '../kube/index.ts';
import { compareText, type Diagnostic, type ObjectRef, type ServiceFrontend, type ServicePortTranslation } from '../model/index.ts';
import { diagnose } from './codes.ts';
import { originOf } from './own-addresses.ts';
import type { ServiceTranslation } from './translate-service.ts';

/** That a translation is to have an address. */
export interface Claim {
  /** Address, port and protocol, as they tell frontends apart. */
  readonly frontend: string;
  readonly service: string;
  readonly translation: string;
  /** Lower ones first: ClusterIPs, addresses of load balancers, others. */
  readonly rank: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export function claimsOf(service: Service, translations: readonly ServicePortTranslation[]): readonly Claim[] {
  const { namespace, name, creationTimestamp } = service.metadata;
  const createdAt = creationTimestamp === undefined ? 0 : Date.parse(creationTimestamp);
  return translations.flatMap((translation) =>
    translation.frontends.map((frontend) => ({
      frontend: frontendKey(frontend),
      service: `${namespace}/${name}`,
      translation: translation.name,
      rank: rankOf(service, frontend),
      createdAt,
    })),
  );
}

/** By rank, then age, then name; of one Service's the first. @param claims of one address, those of a Service together */
export function firstClaim(claims: readonly Claim[]): Claim | undefined {
  return claims.toSorted((a, b) => a.rank - b.rank || a.createdAt - b.createdAt || compareText(a.service, b.service))[0];
}

/** What remains of a Service's translations, and what of them others have. */
export function keepOwn(
  service: ObjectRef,
  translations: readonly ServicePortTranslation[],
  diagnostics: readonly Diagnostic[],
  ownerOf: (frontend: string) => Claim | undefined,
): ServiceTranslation {
  const all = [...diagnostics];
  const own = translations.flatMap((translation): ServicePortTranslation[] => {
    const frontends = translation.frontends.filter((frontend) => {
      const owner = ownerOf(frontendKey(frontend));
      if (owner?.translation === translation.name) return true;
      if (owner && owner.service !== `${service.namespace}/${service.name}`) {
        const { address, port, protocol } = frontend;
        const message = `${address} with port ${port}/${protocol} belongs to Service ${owner.service}`;
        all.push(diagnose(service, ['spec'], 'ServiceAddressConflict', message));
      }
      return false;
    });
    if (frontends.length === translation.frontends.length) return [translation];
    return frontends.length === 0 ? [] : [{ ...translation, frontends }];
  });
  return { translations: own, diagnostics: distinct(all) };
}

function rankOf(service: Service, { address }: ServiceFrontend): number {
  const origin = originOf(service, address);
  if (origin === 'cluster-ip') return 0;
  return origin === 'load-balancer' ? 1 : 2;
}

/** As claims name it. */
export function frontendKey({ address, port, protocol }: ServiceFrontend): string {
  return `${address} ${port}/${protocol}`;
}

/** What is wrong with a slice is found for every port. */
function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...new Map(diagnostics.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values()];
}
