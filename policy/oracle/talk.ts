/** What is said on a connection: a request, if it is read as HTTP, and a server name, if it is read as TLS. */
export interface Talk {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** Names in lower case, each once. */
  readonly headers: Readonly<Record<string, string>>;
  readonly serverName: string;
}

export interface PlainHttpRule {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: readonly string[];
  readonly headerMatches?: readonly { readonly name: string; readonly value?: string; readonly mismatch?: string }[];
}

/** What one rule asks of connections that it allows. */
export type Asked =
  | { readonly kind: 'http'; readonly rules: readonly PlainHttpRule[] }
  | { readonly kind: 'tls'; readonly names: readonly string[] };

/** Whether one of what is asked is met; nothing is where requests and server names are asked for at once. */
export function isMet(asked: readonly Asked[], talk: Talk): boolean {
  if (new Set(asked.map(({ kind }) => kind)).size > 1) return false;
  return asked.some((each) =>
    each.kind === 'http' ? each.rules.some((rule) => isRequest(rule, talk)) : each.names.some((name) => isServer(name, talk.serverName)),
  );
}

/** @see https://docs.cilium.io/en/stable/security/policy/language/#http */
function isRequest({ method, path, host, headers = [], headerMatches = [] }: PlainHttpRule, talk: Talk): boolean {
  if (!isWhole(method, talk.method) || !isWhole(path, talk.path) || !isWhole(host, talk.host)) return false;
  const isListed = headers.every((text) => {
    const [name = '', ...rest] = text.split(' ');
    const value = talk.headers[name.replace(/:$/, '').toLowerCase()];
    return rest.length > 0 ? value === rest.join(' ') : value !== undefined;
  });
  return (
    isListed &&
    headerMatches.every(({ name, value: wanted, mismatch }) => {
      const value = talk.headers[name.toLowerCase()];
      return Boolean(mismatch) || (wanted ? value === wanted : value !== undefined);
    })
  );
}

function isWhole(pattern: string | undefined, text: string): boolean {
  // RE2 has flags before what they are for, and JavaScript around it.
  return !pattern || new RegExp(`^(?:${pattern.replace(/^\(\?i\)(.*)$/s, '(?i:$1)')})$`, 's').test(text);
}

/** Label by label; `**` takes one or more. No client sends a dot at the end. */
function isServer(pattern: string, name: string): boolean {
  return isLabels(pattern.toLowerCase().replace(/\.$/, '').split('.'), name.toLowerCase().split('.'));
}

function isLabels([pattern, ...patterns]: readonly string[], [label, ...labels]: readonly string[]): boolean {
  if (pattern === undefined) return label === undefined;
  if (!label) return false;
  if (pattern === '**') return isLabels(patterns, labels) || isLabels([pattern, ...patterns], labels);
  const [before = '', after] = pattern.split('*');
  const isSame =
    after === undefined ? label === pattern : label.length >= pattern.length - 1 && label.startsWith(before) && label.endsWith(after);
  return isSame && isLabels(patterns, labels);
}
