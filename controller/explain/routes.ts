import { RE2JS } from 're2js';
import type { PathMatch, Route } from '../../model/index.ts';

/** How the routes of a host were gone through. */
export interface RoutePick {
  /** The first that matches; undefined where none does. */
  readonly route?: Route;
  /** Its position among the routes, from 1; 0 where none matches. */
  readonly position: number;
  readonly total: number;
  /** Those before it, which do not match. */
  readonly passedOver: readonly Route[];
}

export function matchRoute(routes: readonly Route[], path: string): RoutePick {
  const index = routes.findIndex((route) => matchesPath(route.match, path));
  const route = routes[index];
  if (!route) return { position: 0, total: routes.length, passedOver: routes };
  return { route, position: index + 1, total: routes.length, passedOver: routes.slice(0, index) };
}

/** @param path without the query */
export function matchesPath({ kind, value }: PathMatch, path: string): boolean {
  switch (kind) {
    case 'exact':
      return path === value;
    case 'prefix':
      return value === '/' || path === value || path.startsWith(`${value}/`);
    case 'regex':
      return RE2JS.compile(value).matches(path);
  }
}
