import type { PathNormalization } from '../model/index.ts';

/** A path as a client sends it, and what the server sees of it by the setting; a number is the status of an answer before it gets there. */
export interface NormalizedPath {
  readonly sent: string;
  readonly seen: Readonly<Record<PathNormalization, string | number>>;
}

function same(seen: string | number): NormalizedPath['seen'] {
  return { none: seen, base: seen, 'merge-slashes': seen, full: seen };
}

/** The same for whatever serves HTTP. */
export const NORMALIZED_PATHS: readonly NormalizedPath[] = [
  { sent: '/a/b', seen: same('/a/b') },
  { sent: '/a/../b', seen: { ...same('/b'), none: '/a/../b' } },
  { sent: '/a/./b', seen: { ...same('/a/b'), none: '/a/./b' } },
  { sent: '/a/%2e%2E/b', seen: { ...same('/b'), none: '/a/%2e%2E/b' } },
  { sent: '/a\\..\\b', seen: { ...same('/b'), none: '/a\\..\\b' } },
  { sent: '/%61/%7e', seen: { ...same('/a/~'), none: '/%61/%7e' } },
  { sent: '/a%20%c3%bc', seen: same('/a%20%c3%bc') },
  { sent: '/a//b', seen: { ...same('/a/b'), none: '/a//b', base: '/a//b' } },
  { sent: '/a//../b', seen: { ...same('/a/b'), none: '/a//../b' } },
  { sent: '/a%2Fb', seen: { ...same('/a%2Fb'), full: 307 } },
  { sent: '/a%2f..%5Cb', seen: { ...same('/a%2f..%5Cb'), full: 307 } },
  { sent: '/a%252Fb', seen: same('/a%252Fb') },
  { sent: '/a?b=/../c//d%2F', seen: same('/a?b=/../c//d%2F') },
  { sent: '/a;b=c', seen: same('/a;b=c') },
  { sent: '/a#/b', seen: same(400) },
];
