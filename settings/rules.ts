import { asksForSomething, hasValuesWhereNeeded } from './node-selector.ts';
import type { Settings } from './settings.ts';

/** What no field says alone, twice: for the API server, which sees one object, and for us, who see what is in force. */
export interface SettingsRule {
  /** The section that the rule is about. */
  readonly section: readonly string[];
  /** The field of the section that is told, which stands there only by somebody's word. */
  readonly field: string;
  readonly message: string;
  /** On the section, with what it leaves out absent. @see https://kubernetes.io/docs/reference/using-api/cel/ */
  readonly cel: string;
  readonly holds: (settings: Settings) => boolean;
}

const SERVICE = ['ingress', 'service'] as const;
const NODES = ['ingress', 'nodes'] as const;

export const SETTINGS_RULES: readonly SettingsRule[] = [
  {
    section: SERVICE,
    field: 'secureNodePort',
    message: 'must differ from insecureNodePort',
    cel: '!has(self.insecureNodePort) || !has(self.secureNodePort) || self.insecureNodePort != self.secureNodePort',
    holds: ({ ingress: { service } }) => service.secureNodePort === undefined || service.secureNodePort !== service.insecureNodePort,
  },
  {
    section: SERVICE,
    field: 'insecureNodePort',
    message: 'a Service of type ClusterIP has no node ports',
    cel: "!has(self.type) || self.type != 'ClusterIP' || !has(self.insecureNodePort)",
    holds: ({ ingress: { service } }) => service.type !== 'ClusterIP' || service.insecureNodePort === undefined,
  },
  {
    section: SERVICE,
    field: 'secureNodePort',
    message: 'a Service of type ClusterIP has no node ports',
    cel: "!has(self.type) || self.type != 'ClusterIP' || !has(self.secureNodePort)",
    holds: ({ ingress: { service } }) => service.type !== 'ClusterIP' || service.secureNodePort === undefined,
  },
  {
    section: SERVICE,
    field: 'loadBalancerClass',
    message: 'only a Service of type LoadBalancer has a class',
    cel: "!has(self.type) || self.type == 'LoadBalancer' || !has(self.loadBalancerClass)",
    holds: ({ ingress: { service } }) => service.type === 'LoadBalancer' || service.loadBalancerClass === undefined,
  },
  {
    section: NODES,
    field: 'matchLabels',
    message: 'a selector must ask for something; leave nodes out for all nodes',
    cel: '(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)',
    holds: ({ ingress: { nodes } }) => nodes === undefined || asksForSomething(nodes),
  },
  {
    // Of each item of the list.
    section: [...NODES, 'matchExpressions'],
    field: 'values',
    message: 'In and NotIn need values, and the others have none',
    cel: "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
    holds: ({ ingress: { nodes } }) => nodes === undefined || hasValuesWhereNeeded(nodes),
  },
];

/** The rules that settings break as a whole, each at its field. */
export function brokenRules(settings: Settings): readonly { readonly path: readonly string[]; readonly message: string }[] {
  return SETTINGS_RULES.filter(({ holds }) => !holds(settings)).map(({ section, field, message }) => ({
    path: [...section, field],
    message,
  }));
}
