import { type Ingress, type IngressBackend, quote } from '../kube/index.ts';
import type { FieldPath, PathMatch, RouteAction } from '../model/index.ts';
import { type BackendContext, backendAction, resolveBackend, UNAVAILABLE } from './backend.ts';
import type { ClusterKey } from './claims.ts';
import { hostProblem } from './host.ts';
import { ingestPath } from './path.ts';

/** What an Ingress wants of one host and path, whatever the connection. In the order of the Ingress. */
export interface WantedRoute {
  readonly kind: 'rule' | 'hostless' | 'default';
  /** `*` for every host. */
  readonly host: string;
  readonly match: PathMatch;
  readonly action: RouteAction;
  readonly path: FieldPath;
}

export interface RulesResult {
  readonly routes: readonly WantedRoute[];
  readonly clusters: readonly ClusterKey[];
}

const EVERYTHING: PathMatch = { kind: 'prefix', value: '/' };

/**
 * Reads the rules and the default backend. A rule without paths sends its host to the default backend.
 * @param maxProgramSize the largest regular expression, in RE2 instructions
 * @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/#IngressSpec
 */
export function ingestRules(ingress: Ingress, context: BackendContext, maxProgramSize: number): RulesResult {
  const { report } = context;
  const { rules, defaultBackend } = ingress.spec;
  const routes: WantedRoute[] = [];
  const clusters: ClusterKey[] = [];
  if (rules.length === 0 && defaultBackend === undefined) {
    report.add(['spec'], 'EmptyIngress', 'has neither rules nor a default backend');
  }
  const defaultPath = ['spec', 'defaultBackend'];
  const defaultAction = defaultBackend && actionOf(defaultBackend, defaultPath);
  for (const [ruleIndex, rule] of rules.entries()) {
    const rulePath = ['spec', 'rules', ruleIndex];
    const problem = rule.host ? hostProblem(rule.host) : undefined;
    if (problem !== undefined) {
      report.add([...rulePath, 'host'], 'InvalidHost', `${quote(rule.host ?? '')} ${problem}; the rule is left out`);
      continue;
    }
    const where = rule.host ? ({ kind: 'rule', host: rule.host } as const) : ({ kind: 'hostless', host: '*' } as const);
    if (rule.http === undefined) {
      if (defaultAction) routes.push({ ...where, match: EVERYTHING, action: defaultAction, path: rulePath });
      else report.add(rulePath, 'EmptyRule', 'has no paths, and there is no default backend for its host');
      continue;
    }
    for (const [pathIndex, path] of rule.http.paths.entries()) {
      const field = [...rulePath, 'http', 'paths', pathIndex];
      const result = ingestPath(path, [...field, 'path'], maxProgramSize, report);
      if (result.kind === 'unmatchable') continue;
      const action = result.kind === 'refused' ? UNAVAILABLE : actionOf(path.backend, [...field, 'backend']);
      routes.push({ ...where, match: result.match, action, path: field });
    }
  }
  if (defaultAction) routes.push({ kind: 'default', host: '*', match: EVERYTHING, action: defaultAction, path: defaultPath });
  return { routes, clusters };

  function actionOf(backend: IngressBackend, field: FieldPath): RouteAction {
    const resolved = resolveBackend(backend, field, context);
    if (resolved !== undefined) clusters.push(resolved.cluster);
    return backendAction(resolved, context);
  }
}
