import { type Ingress, type IngressClass, quote, refOf } from '../kube/index.ts';
import type { Diagnostic } from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import { diagnose } from './report.ts';

export const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

export interface Management {
  readonly managed: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

const NOT_OURS: Management = { managed: false, diagnostics: [] };
const OURS: Management = { managed: true, diagnostics: [] };

/** Whether Ingresses that name no class belong to this one. Only the exact text `true` counts, as in the API server. */
export function isDefaultClass(ingressClass: IngressClass): boolean {
  return ingressClass.metadata.annotations[DEFAULT_ANNOTATION] === 'true';
}

/**
 * Decides whether an Ingress is ours. The annotation `kubernetes.io/ingress.class` wins over `spec.ingressClassName`. A
 * class is ours if its IngressClass names our controller; a name without an IngressClass, or with one that names no
 * controller, is ours if the settings say so. An Ingress without a class belongs to the default class.
 *
 * @param lookup the IngressClass of a name; called only for names that matter
 * @param defaultClassNames the IngressClasses for which {@link isDefaultClass} holds, in any order
 * @see https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class
 */
export function managesIngress(
  ingress: Ingress,
  lookup: (name: string) => IngressClass | undefined,
  defaultClassNames: readonly string[],
  settings: Settings['ingress'],
): Management {
  const name = ingress.metadata.annotations[CLASS_ANNOTATION] ?? ingress.spec.ingressClassName ?? '';
  if (name !== '') return isOurs(name, lookup(name), settings) ? OURS : NOT_OURS;
  const [chosen, ...others] = defaultClassNames
    .map((className) => ({ className, ingressClass: lookup(className) }))
    .toSorted((a, b) => createdAt(b.ingressClass) - createdAt(a.ingressClass) || (a.className < b.className ? -1 : 1));
  if (chosen === undefined) return NOT_OURS;
  const managed = isOurs(chosen.className, chosen.ingressClass, settings);
  if (others.length === 0) return managed ? OURS : NOT_OURS;
  if (!managed && !others.some((other) => isOurs(other.className, other.ingressClass, settings))) return NOT_OURS;
  const rest = others.map((other) => quote(other.className)).join(', ');
  const message = `no class is named and several are the default: ${quote(chosen.className)} counts, as the newest, not ${rest}`;
  return { managed, diagnostics: [diagnose(refOf(ingress), ['spec', 'ingressClassName'], 'SeveralDefaultClasses', message)] };
}

function isOurs(name: string, ingressClass: IngressClass | undefined, settings: Settings['ingress']): boolean {
  const controller = ingressClass?.spec.controller;
  return controller === undefined ? name === settings.className : controller === settings.controllerName;
}

/** Milliseconds; a class without a time of creation counts as the oldest. */
function createdAt(ingressClass: IngressClass | undefined): number {
  const created = ingressClass?.metadata.creationTimestamp;
  return created === undefined ? 0 : Date.parse(created);
}
