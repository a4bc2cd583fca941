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

/** What becomes of something that is said where layer 7 decides. */
export type Heard =
  /** As whoever comes next hears it. */
  | { readonly kind: 'passes'; readonly talk: Talk }
  | { readonly kind: 'denied' }
  /** With 400, or a redirect, before rules are looked at. */
  | { readonly kind: 'answered' };

/**
 * Whether one of what is asked is met; nothing is where requests and server names are asked for at once.
 * @param by `allows`: something lets everything through besides; `audits`: all passes, as it was said
 */
export function hear(asked: readonly Asked[], talk: Talk, by: { readonly allows: boolean; readonly audits?: boolean }): Heard {
  const { allows, audits = false } = by;
  const names = asked.flatMap((each) => (each.kind === 'tls' ? each.names : []));
  const rules = asked.flatMap((each) => (each.kind === 'http' ? each.rules : []));
  if (asked.some(({ kind }) => kind === 'tls')) {
    const isOne = asked.every(({ kind }) => kind === 'tls');
    return allows || audits || (isOne && names.some((name) => isServer(name, talk.serverName)))
      ? { kind: 'passes', talk }
      : { kind: 'denied' };
  }
  if (isAnswered(talk.path)) return { kind: 'answered' };
  const arrived = withoutEnvoys(talk.headers);
  const served = { ...talk, path: asServed(talk.path), headers: arrived };
  if (audits) return { kind: 'passes', talk: served };
  const seen = { ...served, headers: withoutLookalikes(arrived, rules) };
  const isSafe = !isReadInTwoWays(served);
  if (!allows && !(isSafe && rules.some((rule) => isRequest(rule, seen)))) return { kind: 'denied' };
  return { kind: 'passes', talk: { ...seen, headers: changed(seen, rules) } };
}

/** The path has a fragment, an escaped zero byte or an escaped slash: what Envoy answers itself. */
function isAnswered(path: string): boolean {
  const [target = ''] = path.split('?');
  const escapes = target.toLowerCase().match(/%[0-9a-f]{2}/g) ?? [];
  return path.includes('#') || escapes.some((letter) => ['%00', '%2f', '%5c'].includes(letter));
}

/** Of the paths that are asked for here, those that Envoy resolves have dots with parameters; it reads these as dots where nothing is escaped. */
function asServed(path: string): string {
  const [target = '', ...query] = path.split('?');
  const [, ...segments] = target.split('/');
  const kept: string[] = [];
  for (const [index, segment] of segments.entries()) {
    const [dots = ''] = segment.split(';');
    const isDots = segment !== dots && (dots === '.' || dots === '..');
    if (isDots && dots === '..') kept.pop();
    if (!isDots) kept.push(segment);
    else if (index === segments.length - 1) kept.push('');
  }
  return [`/${kept.join('/')}`.replace(/%2e/gi, '.'), ...query].join('?');
}

/** Several hosts, or a segment that is dots to who leaves out parameters. */
function isReadInTwoWays({ host, path }: Talk): boolean {
  const [target = ''] = path.split('?');
  const segments = target.split('/').map((segment) => segment.replace(/%3b/gi, ';').replace(/%2e/gi, '.'));
  return host.split(',').length > 1 || segments.some((segment) => segment.startsWith('.;') || segment.startsWith('..;'));
}

/** Of what is named with a hyphen nothing comes through with an underscore in its place, and the other way round. */
function withoutLookalikes(headers: Talk['headers'], rules: readonly PlainHttpRule[]): Talk['headers'] {
  const named = rules.flatMap((rule) => [
    ...(rule.headers ?? []).map((text) => text.split(/:? /)[0] ?? ''),
    ...(rule.headerMatches ?? []).map(({ name }) => name),
  ]);
  const wanted = named.map((name) => name.toLowerCase());
  const isKept = (header: string) => wanted.every((name) => name === header || name.split(/[-_]/).join() !== header.split(/[-_]/).join());
  return Object.fromEntries(Object.entries(headers).filter(([header]) => isKept(header)));
}

/** Of the headers that are sent here, without what Envoy keeps to itself, and what is empty though Envoy would have set it. */
function withoutEnvoys(headers: Talk['headers']): Talk['headers'] {
  const { 'keep-alive': _, 'x-envoy-retry-on': __, ...toAll } = headers;
  const { connection = '', upgrade, te = '', ...rest } = toAll;
  const named = connection.toLowerCase().split(', ');
  if (named.includes('upgrade') && upgrade === 'websocket') return toAll;
  const kept = Object.entries(rest).filter(
    ([name, value]) => !named.includes(name) && (value !== '' || !['x-request-id', 'x-forwarded-proto'].includes(name)),
  );
  return Object.fromEntries(te.split(', ').includes('trailers') ? [...kept, ['te', 'trailers']] : kept);
}

/** What `headerMatches` make of them, one after the other, each where its rule allows what those before it left. The same is done once. */
function changed(talk: Talk, rules: readonly PlainHttpRule[]): Talk['headers'] {
  const done = new Set<string>();
  let headers = talk.headers;
  for (const rule of rules) {
    for (const { name: written, value = '', mismatch } of rule.headerMatches ?? []) {
      const name = written.toLowerCase();
      const doing = JSON.stringify([rule.method || '', rule.path || '', rule.host || '', demandsOf(rule), name, value, mismatch]);
      if (!mismatch || done.has(doing)) continue;
      done.add(doing);
      const { [name]: actual, ...others } = headers;
      const isAsWanted = value === '' ? actual !== undefined : actual === value;
      if (isAsWanted || !isRequest(rule, { ...talk, headers })) continue;
      if (mismatch === 'ADD') headers = { ...headers, [name]: actual === undefined ? value : `${actual},${value}` };
      if (mismatch === 'DELETE') headers = others;
      if (mismatch === 'REPLACE') headers = { ...others, [name]: value };
    }
  }
  return headers;
}

/** The headers without which a rule allows nothing, as names with values. */
function demandsOf({ headers = [], headerMatches = [] }: PlainHttpRule): readonly (readonly [name: string, value: string])[] {
  const listed = headers.map((text) => {
    const [name = '', ...rest] = text.split(' ');
    return [name.replace(/:$/, '').toLowerCase(), rest.join(' ')] as const;
  });
  const matched = headerMatches.filter(({ mismatch }) => !mismatch).map(({ name, value = '' }) => [name.toLowerCase(), value] as const);
  return [...listed, ...matched];
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
