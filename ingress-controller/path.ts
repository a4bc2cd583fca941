import { type IngressPath, quote } from '../kube/index.ts';
import type { FieldPath, PathMatch } from '../model/index.ts';
import { isLiteral, regexProblem } from '../regex/index.ts';
import { normalizePath } from './normal-path.ts';
import type { Report } from './report.ts';

const FORBIDDEN_PARTS = ['//', '/./', '/../', '%2f', '%2F'];
const FORBIDDEN_ENDS = ['/..', '/.'];
/** No request has these in its path: the query is cut off before, and the rest cannot be sent. */
const UNMATCHABLE = /[?#\p{Cc}\p{Cs}]/u;

export type PathResult =
  | { readonly kind: 'usable'; readonly match: PathMatch }
  /** The path is wrong, but requests that match it must not go elsewhere. */
  | { readonly kind: 'refused'; readonly match: PathMatch }
  /** No request can match it, or nobody knows which. */
  | { readonly kind: 'unmatchable' };

const UNMATCHABLE_RESULT: PathResult = { kind: 'unmatchable' };

/**
 * Reads the path of a rule. `Prefix` is element-wise and ignores a trailing slash. Both `Exact` and `Prefix` may be written
 * with or without percent encoding. `ImplementationSpecific` is what Cilium makes of it: an RE2 expression that has to match
 * the whole path, in the spelling of {@link normalizePath}; `/` alone matches nothing but the root, and only the empty path
 * matches all.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/ingress/#path-types
 */
export function ingestPath({ path, pathType }: IngressPath, field: FieldPath, maxProgramSize: number, report: Report): PathResult {
  const value = path ?? '';
  if (pathType === 'ImplementationSpecific') return ingestRegex(value, field, maxProgramSize, report);
  if (!value.startsWith('/')) return invalid(`must begin with /, not be ${quote(value)}`);
  if (UNMATCHABLE.test(value)) return invalid(`has a character that no path has: ${quote(value)}`);
  const normal = normalizePath(value);
  const match: PathMatch = pathType === 'Exact' ? { kind: 'exact', value: normal } : { kind: 'prefix', value: trimSlash(normal) };
  const part = FORBIDDEN_PARTS.find((candidate) => normal.includes(candidate)) ?? FORBIDDEN_ENDS.find((end) => normal.endsWith(end));
  if (part === undefined) return { kind: 'usable', match };
  report.add(field, 'InvalidPath', `${quote(value)} must not have ${quote(part)}; requests that match it are answered with 500`);
  return { kind: 'refused', match: match.kind === 'prefix' ? { ...match, value: trimSlashes(match.value) } : match };

  function invalid(message: string): PathResult {
    report.add(field, 'InvalidPath', message);
    return UNMATCHABLE_RESULT;
  }
}

function ingestRegex(pattern: string, field: FieldPath, maxProgramSize: number, report: Report): PathResult {
  if (pattern === '') return { kind: 'usable', match: { kind: 'prefix', value: '/' } };
  const problem = pattern.startsWith('/') ? regexProblem(pattern, maxProgramSize) : 'does not begin with /';
  if (problem !== undefined) {
    report.add(field, 'InvalidRegex', `${quote(pattern)} ${problem}; the path is left out`);
    return UNMATCHABLE_RESULT;
  }
  if (isLiteral(pattern)) {
    const message = `ImplementationSpecific is a regular expression for the whole path, so ${quote(pattern)} matches nothing below it`;
    report.add(field, 'RegexMatchesOnePath', message);
  }
  return { kind: 'usable', match: { kind: 'regex', value: pattern } };
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** The model has no prefix that ends in `/`, not even a refused one. */
function trimSlashes(path: string): string {
  return path.replace(/(?<=.)\/+$/, '');
}
