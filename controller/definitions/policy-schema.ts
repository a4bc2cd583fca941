import { ENTITIES, ICMP_TYPES, ICMPV6_TYPES } from '../../policy/index.ts';
import { SELECTOR } from './selector-schema.ts';
import { ANYTHING, listOf, mapping, oneOf, type Structural } from './structural-schema.ts';

const TEXT: Structural = { type: 'string' };
const MAX_PORTS = 40;
const MAX_NAME = 253;
const MAX_DNS_NAME = 255;

const SUBDOMAIN: Structural = {
  type: 'string',
  maxLength: MAX_NAME,
  pattern: String.raw`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`,
};
/** A number from 0 to 65535, or the name of a port. */
const PORT_PATTERN = `^(${[
  '6553[0-5]',
  '655[0-2][0-9]',
  '65[0-4][0-9]{2}',
  '6[0-4][0-9]{3}',
  '[1-5][0-9]{4}',
  '[0-9]{1,4}',
  '([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*',
].join('|')})$`;
const PORTS = listOf(
  mapping({
    port: { type: 'string', pattern: PORT_PATTERN },
    endPort: { type: 'integer', format: 'int32', minimum: 0, maximum: 65_535 },
    protocol: { type: 'string', enum: ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6', 'VRRP', 'IGMP', 'ANY'] },
  }),
  { maxItems: MAX_PORTS },
);

const BYTE = '[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]';
const ICMP_NAMES = [...new Set([...ICMP_TYPES.keys(), ...ICMPV6_TYPES.keys()])].sort();
const ICMPS = listOf(
  mapping({
    fields: listOf(
      mapping(
        {
          family: { type: 'string', enum: ['IPv4', 'IPv6'] },
          type: {
            anyOf: [{ type: 'integer' }, { type: 'string' }],
            'x-kubernetes-int-or-string': true,
            minimum: 0,
            maximum: 255,
            pattern: `^(${[BYTE, ...ICMP_NAMES].join('|')})$`,
          },
        },
        { required: ['type'] },
      ),
      { maxItems: MAX_PORTS },
    ),
  }),
);

const NAME_PATTERN = '^([-a-zA-Z0-9_]+[.]?)+$';
const WILDCARD_PATTERN = '^([-a-zA-Z0-9_*]+[.]?)+$';
const DNS_NAMES = listOf(
  mapping(
    {
      matchName: { type: 'string', maxLength: MAX_DNS_NAME, pattern: NAME_PATTERN },
      matchPattern: { type: 'string', maxLength: MAX_DNS_NAME, pattern: WILDCARD_PATTERN },
    },
    oneOf('matchName', 'matchPattern'),
  ),
);

const SECRET = mapping({ name: TEXT, namespace: TEXT }, { required: ['name'] });
const HEADER_MATCH = mapping(
  {
    name: { type: 'string', minLength: 1 },
    value: TEXT,
    secret: SECRET,
    mismatch: { type: 'string', enum: ['LOG', 'ADD', 'DELETE', 'REPLACE'] },
  },
  { required: ['name'] },
);
const HTTP = listOf(mapping({ method: TEXT, path: TEXT, host: TEXT, headers: listOf(TEXT), headerMatches: listOf(HEADER_MATCH) }));

/** Rules of one kind; none at all asks for nothing. The kinds that Cilium had and has no more are among them. */
const LAYER7 = mapping(
  { http: HTTP, kafka: listOf(mapping({})), dns: DNS_NAMES, l7proto: TEXT, l7: listOf(ANYTHING) },
  { oneOf: [...['http', 'kafka', 'dns', 'l7proto'].map((kind) => ({ required: [kind] })), { maxProperties: 0 }] },
);
const TLS = mapping({ secret: SECRET }, { required: ['secret'] });
const LISTENER = mapping(
  {
    envoyConfig: mapping(
      { kind: { type: 'string', enum: ['CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig'] }, name: { type: 'string', minLength: 1 } },
      { required: ['name'] },
    ),
    name: { type: 'string', minLength: 1 },
    priority: { type: 'integer', minimum: 1, maximum: 100 },
  },
  { required: ['envoyConfig', 'name'] },
);

const OF_ALL_RULES = { icmps: ICMPS };
const OF_ALLOWING = {
  ...OF_ALL_RULES,
  toPorts: listOf(
    mapping({
      ports: PORTS,
      rules: LAYER7,
      listener: LISTENER,
      originatingTLS: TLS,
      terminatingTLS: TLS,
      serverNames: listOf({ type: 'string', maxLength: MAX_DNS_NAME, pattern: WILDCARD_PATTERN }),
    }),
  ),
  authentication: mapping({ mode: { type: 'string', enum: ['disabled', 'required', 'test-always-fail'] } }, { required: ['mode'] }),
};
const OF_DENYING = { ...OF_ALL_RULES, toPorts: listOf(mapping({ ports: PORTS })) };

/** An address alone is a prefix of its whole length: Cilium had it so for long. */
const CIDR: Structural = { type: 'string', anyOf: ['cidr', 'ipv4', 'ipv6'].map((format) => ({ format })) };
const PREFIX: Structural = { type: 'string', format: 'cidr' };
const CIDR_SET = listOf(
  mapping(
    { cidr: PREFIX, cidrGroupRef: SUBDOMAIN, cidrGroupSelector: SELECTOR, except: listOf(PREFIX) },
    oneOf('cidr', 'cidrGroupRef', 'cidrGroupSelector'),
  ),
);

function peers(direction: 'from' | 'to'): Readonly<Record<string, Structural>> {
  return {
    [`${direction}Endpoints`]: listOf(SELECTOR),
    [`${direction}Requires`]: listOf(SELECTOR),
    [`${direction}CIDR`]: listOf(CIDR),
    [`${direction}CIDRSet`]: CIDR_SET,
    [`${direction}Entities`]: listOf({ type: 'string', enum: [...ENTITIES] }),
    [`${direction}Groups`]: listOf(mapping({})),
    [`${direction}Nodes`]: listOf(SELECTOR),
  };
}

const SERVICES = listOf(
  mapping({
    k8sService: mapping({ serviceName: TEXT, namespace: TEXT }),
    k8sServiceSelector: mapping({ selector: SELECTOR, namespace: TEXT }, { required: ['selector'] }),
  }),
);

const rules = (description: string, ...parts: readonly Readonly<Record<string, Structural>>[]): Structural =>
  listOf(mapping(Object.assign({}, ...parts)), { description });

/** One rule set of a policy, as Cilium publishes it. @see https://docs.cilium.io/en/stable/security/policy/language/ */
export const RULE_SET = mapping(
  {
    description: { type: 'string', description: 'What the rules are for; of no effect.' },
    endpointSelector: { ...SELECTOR, description: 'The pods that the rules are about.' },
    nodeSelector: { ...SELECTOR, description: 'The nodes that the rules are about; only in clusterwide policies.' },
    ingress: rules('What may come in; each rule allows more.', OF_ALLOWING, peers('from')),
    ingressDeny: rules('What may not come in, whatever else allows it.', OF_DENYING, peers('from')),
    egress: rules('What may go out; each rule allows more.', OF_ALLOWING, peers('to'), { toServices: SERVICES, toFQDNs: DNS_NAMES }),
    egressDeny: rules('What may not go out, whatever else allows it.', OF_DENYING, peers('to'), { toServices: SERVICES }),
    enableDefaultDeny: {
      ...mapping({ ingress: { type: 'boolean' }, egress: { type: 'boolean' } }),
      description: 'Whether what no rule allows is denied. Default for each direction: whether there are rules for it.',
    },
    labels: listOf(mapping({ key: TEXT, value: TEXT, source: TEXT }, { required: ['key'] })),
    log: mapping({ value: { type: 'string', maxLength: 32 } }),
  },
  {
    'x-kubernetes-validations': [
      {
        rule: 'has(self.endpointSelector) != has(self.nodeSelector)',
        message: 'must have either an endpointSelector or a nodeSelector',
      },
      {
        rule: 'has(self.ingress) || has(self.ingressDeny) || has(self.egress) || has(self.egressDeny)',
        message: 'must have rules: ingress, ingressDeny, egress or egressDeny',
      },
    ],
  },
);
