import {
  type HeaderMatcherSchema,
  RedirectAction_RedirectResponseCode,
  type RetryPolicySchema,
  type RouteAction_HashPolicySchema,
  type RouteMatchSchema,
  type RouteSchema,
} from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import type {
  ForwardAction,
  PathMatch,
  RedirectAction,
  RespondAction,
  RetryOptions,
  Route,
  RouteAction,
  SessionAffinity,
} from '../../model/index.ts';
import { durationOf, type Init } from './messages.ts';

type RouteInit = Init<typeof RouteSchema>;

/** @param onlyWhen what a request's headers must also match */
export function translateRoute(route: Route, onlyWhen: readonly Init<typeof HeaderMatcherSchema>[] = []): RouteInit {
  return {
    name: route.name,
    match: { ...pathMatch(route.match), headers: [...onlyWhen] },
    action: translateAction(route.action),
  };
}

function pathMatch({ kind, value }: PathMatch): Init<typeof RouteMatchSchema> {
  switch (kind) {
    case 'exact':
      return { pathSpecifier: { case: 'path', value } };
    case 'regex':
      return { pathSpecifier: { case: 'safeRegex', value: { regex: value } } };
    case 'prefix':
      return { pathSpecifier: value === '/' ? { case: 'prefix', value } : { case: 'pathSeparatedPrefix', value } };
  }
}

function translateAction(action: RouteAction): NonNullable<RouteInit['action']> {
  switch (action.kind) {
    case 'forward':
      return forward(action);
    case 'redirect-https':
      return redirect(action);
    case 'respond':
      return respond(action);
  }
}

function forward(action: ForwardAction): NonNullable<RouteInit['action']> {
  return {
    case: 'route',
    value: {
      clusterSpecifier: { case: 'cluster', value: action.cluster },
      // Said even when it is 0, because Envoy's own default is 15 s.
      timeout: durationOf(action.timeoutMs),
      hashPolicy: action.affinity ? [hashPolicy(action.affinity)] : [],
      ...(action.retry && { retryPolicy: retryPolicy(action.retry) }),
    },
  };
}

function retryPolicy(retry: RetryOptions): Init<typeof RetryPolicySchema> {
  return {
    retryOn: retry.on.join(','),
    numRetries: retry.attempts,
    ...(retry.perTryTimeoutMs > 0 && { perTryTimeout: durationOf(retry.perTryTimeoutMs) }),
  };
}

function hashPolicy(affinity: SessionAffinity): Init<typeof RouteAction_HashPolicySchema> {
  if (affinity.kind === 'source-ip') return { policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } };
  const cookie = { name: affinity.name, path: '/', ttl: durationOf(affinity.ttlMs) };
  return { policySpecifier: { case: 'cookie', value: cookie } };
}

function redirect(action: RedirectAction): NonNullable<RouteInit['action']> {
  return {
    case: 'redirect',
    value: {
      schemeRewriteSpecifier: { case: 'httpsRedirect', value: true },
      ...(action.port !== undefined && { portRedirect: action.port }),
      responseCode: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
    },
  };
}

function respond(action: RespondAction): NonNullable<RouteInit['action']> {
  const body = action.body === '' ? {} : { body: { specifier: { case: 'inlineString' as const, value: action.body } } };
  return { case: 'directResponse', value: { status: action.status, ...body } };
}
