import type { ENVOY_CONFIG_CODES } from '../../envoy-config/index.ts';
import type { Diagnostic } from '../../model/index.ts';

/**
 * - `accepted`: the spec is refused.
 * - `refs`: something that it names is not there, or not to be had.
 * - `both`: it is refused for that.
 * - `programmed`: a part of it is not served.
 * - `warning`: it is taken, and will not do all that it seems to say. It stands with what says that it is taken.
 * - `beside`: all is served, and something is not led to it.
 * - `note`: said in the words of another, or of no condition.
 */
type Concern = 'accepted' | 'refs' | 'both' | 'programmed' | 'warning' | 'beside' | 'note';

/** Which conditions a finding is about. */
export const CONCERNS = {
  InvalidEnvoyConfig: 'accepted',
  NotPermitted: 'accepted',
  NotOfNamespace: 'accepted',
  RefusedInDryRun: 'accepted',
  NameTaken: 'accepted',
  ReferenceNotFound: 'both',
  ConfigSecretUnusable: 'both',
  BackendServiceNotFound: 'refs',
  ServiceNotLed: 'refs',
  ServiceTaken: 'refs',
  ListenerWithoutAddress: 'programmed',
  OutsideNotLed: 'beside',
  UnknownFilterName: 'warning',
  UnaskedTls: 'warning',
  NodeNotSelected: 'note',
  NodeUnknown: 'note',
  AnnotationIgnored: 'note',
  LastGoodEnvoyConfig: 'note',
} as const satisfies Record<keyof typeof ENVOY_CONFIG_CODES, Concern>;

const BY_CODE: ReadonlyMap<string, Concern> = new Map(Object.entries(CONCERNS));

/** Whether a finding is about a condition. An error of another layer refuses the object; anything else of another layer says nothing here. */
export function isAbout({ code, severity }: Pick<Diagnostic, 'code' | 'severity'>, concern: Exclude<Concern, 'both' | 'note'>): boolean {
  const found = BY_CODE.get(code) ?? (severity === 'error' ? 'accepted' : 'note');
  return found === concern || (found === 'both' && (concern === 'accepted' || concern === 'refs'));
}
