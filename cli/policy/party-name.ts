import { isIP } from 'node:net';
import { RESERVED_IDENTITIES, type ReservedIdentity } from '../../model/index.ts';
import { formatLabel, parseLabel } from '../../policy/index.ts';
import { CliError } from '../cli-error.ts';

/** Who sends or receives a packet, as users name them. */
export type PartyName =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'entity'; readonly entity: ReservedIdentity }
  /** Each with its source, such as `k8s:app=web`. */
  | { readonly kind: 'labels'; readonly labels: readonly string[] }
  | { readonly kind: 'pod'; readonly namespace: string; readonly name: string };

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/**
 * Reads `default/web`, `web` (in the namespace `default`), `10.0.0.7`, `k8s:app=web,k8s:tier=front` or an entity of Cilium's such as `world`.
 * @param option for the message where it is none of these
 * @throws CliError `usage`
 */
export function parsePartyName(option: string, text: string): PartyName {
  if (isIP(text) !== 0) return { kind: 'address', address: text };
  if (isEntity(text)) return { kind: 'entity', entity: text };
  if (text.includes('=') || text.includes(':')) {
    const labels = text.split(',').map((label) => formatLabel(parseLabel(label.trim())));
    return { kind: 'labels', labels: [...new Set(labels)].sort() };
  }
  const [first = '', second, ...more] = text.split('/');
  const namespace = second === undefined ? 'default' : first;
  const name = second ?? first;
  if (more.length === 0 && NAME.test(namespace) && NAME.test(name)) return { kind: 'pod', namespace, name };
  throw new CliError('usage', `--${option} must be a pod (namespace/name), labels (k8s:app=web), an IP address or an entity (world)`);
}

function isEntity(text: string): text is ReservedIdentity {
  return text !== 'unknown' && Object.hasOwn(RESERVED_IDENTITIES, text);
}
