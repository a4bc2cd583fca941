import type { FieldRef, HeaderRule, HttpRule, ServerNameRule, Slot } from '../../../model/index.ts';

export const SOURCE: FieldRef = { object: { kind: 'CiliumNetworkPolicy', namespace: 'default', name: 'web' }, path: ['spec'] };

export interface RuleText {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: readonly Omit<HeaderRule, 'source'>[];
}

export function httpRule({ method, path, host, headers = [] }: RuleText): HttpRule {
  return {
    ...(method !== undefined && { method: { regex: method, source: SOURCE } }),
    ...(path !== undefined && { path: { regex: path, source: SOURCE } }),
    ...(host !== undefined && { host: { regex: host, source: SOURCE } }),
    headers: headers.map((header) => ({ ...header, source: SOURCE })),
    source: SOURCE,
  };
}

interface SlotFlags {
  /** Default: false. */
  readonly isOpen?: boolean;
  readonly audits?: true;
}

export function httpSlot(name: string, rules: readonly RuleText[], { isOpen = false, ...flags }: SlotFlags = {}): Slot {
  return {
    name: `http/ingress/${name}`,
    direction: 'ingress',
    rules: { kind: 'http', rules: rules.map(httpRule) },
    allowsAll: isOpen ? [SOURCE] : [],
    ...flags,
  };
}

export function tlsSlot(name: string, patterns: readonly string[], { isOpen = false, ...flags }: SlotFlags = {}): Slot {
  const rules: readonly ServerNameRule[] = patterns.map((pattern) => ({ pattern, source: SOURCE }));
  return { name: `tls/egress/${name}`, direction: 'egress', rules: { kind: 'tls', rules }, allowsAll: isOpen ? [SOURCE] : [], ...flags };
}
