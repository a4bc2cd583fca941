import type { FieldRef, ServerNameRule } from '../../model/index.ts';

/** https://www.rfc-editor.org/rfc/rfc1035#section-3.1 */
const MAX_LENGTH = 253;
const LABEL = /^(?:\*\*|(?:[-a-z0-9_]|\*(?!\*))+)$/;

/**
 * Reads a name of `serverNames`; a text for one that is wrong. A dot at the end means nothing, as no client sends it.
 * @see https://docs.cilium.io/en/stable/security/policy/language/#tls-server-name-indication-sni
 */
export function ingestServerName(text: string, source: FieldRef): ServerNameRule | string {
  const pattern = text.toLowerCase().replace(/\.$/, '');
  if (pattern.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  const wrong = pattern.split('.').find((label) => !LABEL.test(label));
  if (wrong === undefined) return { pattern, source };
  if (wrong.includes('**')) return `${JSON.stringify(text)} has ** in a label: it stands for labels, * for what is within one`;
  return `${JSON.stringify(text)} is no name of a server`;
}
