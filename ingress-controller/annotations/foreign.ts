import type { Report } from '../report.ts';

/** Prefixes of the controllers that people come from. */
const PREFIXES = [
  'nginx.ingress.kubernetes.io/',
  'nginx.org/',
  'haproxy.org/',
  'haproxy-ingress.github.io/',
  'traefik.ingress.kubernetes.io/',
  'projectcontour.io/',
  'konghq.com/',
  'alb.ingress.kubernetes.io/',
];

/** What is said of an annotation of another controller. `snippet` and `restriction` are dangerous to pass over quietly. */
type Verdict = 'not-supported' | 'snippet' | 'restriction';

/** By the name after the prefix; the first that fits. */
const VERDICTS: readonly (readonly [pattern: RegExp, verdict: Verdict])[] = [
  [/snippets?$/, 'snippet'],
  [/^auth-|^(white|allow|deny|black)list|^allow-list|^deny-list|^limit-|^satisfy$|modsecurity|^enable-global-auth$/, 'restriction'],
];

/** Tells of annotations that another Ingress controller would obey and this one does not. */
export function reportForeign(annotations: Readonly<Record<string, string>>, report: Report): void {
  const ignored: string[] = [];
  let hasSnippet = false;
  for (const key of Object.keys(annotations).toSorted()) {
    const prefix = PREFIXES.find((candidate) => key.startsWith(candidate));
    if (prefix === undefined) continue;
    const verdict = verdictOf(key.slice(prefix.length));
    if (verdict === 'restriction') {
      report.add(['metadata', 'annotations', key], 'RestrictionNotEnforced', `${key} is not supported: requests are served without it`);
      continue;
    }
    ignored.push(key);
    hasSnippet ||= verdict === 'snippet';
  }
  if (ignored.length === 0) return;
  const snippets = hasSnippet ? '; snippets of configuration are refused on principle' : '';
  report.add(['metadata', 'annotations'], 'ForeignAnnotation', `not supported and passed over: ${ignored.join(', ')}${snippets}`);
}

function verdictOf(name: string): Verdict {
  return VERDICTS.find(([pattern]) => pattern.test(name))?.[1] ?? 'not-supported';
}
