import type { HeaderRule, HttpRule } from '../../model/index.ts';

/** What a rule does with a header that a request has otherwise. */
export interface HeaderAction {
  readonly rule: HttpRule;
  readonly header: HeaderRule;
}

/** In the order in which they act. What two rules say alike is done once. */
export function headerActions(rules: readonly HttpRule[]): readonly HeaderAction[] {
  const actions = new Map<string, HeaderAction>();
  for (const rule of rules) {
    const { method, path, host, headers } = rule;
    const conditions = [method?.regex, path?.regex, host?.regex, headers.filter(({ mismatch }) => mismatch === 'deny').map(contentOf)];
    for (const header of headers) {
      if (header.mismatch === 'deny') continue;
      const key = JSON.stringify([conditions, contentOf(header)]);
      if (!actions.has(key)) actions.set(key, { rule, header });
    }
  }
  return [...actions.values()];
}

function contentOf({ name, value, mismatch }: HeaderRule): unknown {
  return [name, value, mismatch];
}
