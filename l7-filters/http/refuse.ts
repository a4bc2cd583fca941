import type { HttpOptions, RequestRefusal } from '../../model/index.ts';
import type { HttpRequest } from './request.ts';

const DOTS_WITH_PARAMETERS = /^[^?]*\/\.\.?(;|%3b)/i;

/** Why rules are not asked about a request that was normalised; undefined where they are. */
export function findRefusal(
  { host, path }: HttpRequest,
  { pathNormalization }: Pick<HttpOptions, 'pathNormalization'>,
): RequestRefusal | undefined {
  if (host.includes(',')) return 'several-hosts';
  return pathNormalization !== 'none' && DOTS_WITH_PARAMETERS.test(path) ? 'dots-with-parameters' : undefined;
}

const DESCRIPTIONS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'several-hosts': 'it names several hosts, of which each server takes another',
    'dots-with-parameters': 'its path has dot segments with parameters, which servers resolve in different ways',
  } satisfies Record<RequestRefusal, string>),
);

/** Whether this version knows what it is refused for. */
export function isRefusal(name: string): name is RequestRefusal {
  return DESCRIPTIONS.has(name);
}

/** Says it to people. @param refusal as Envoy names it: one that this version does not know is named */
export function describeRefusal(refusal: string): string {
  const description = DESCRIPTIONS.get(refusal);
  return description === undefined ? `it was refused: ${refusal}` : `${description}: such a request is refused whatever rules say`;
}
