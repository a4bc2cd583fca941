import type { FieldRef, ServerNameRule } from '../../model/index.ts';
import { regexProblem } from '../../regex/index.ts';
import { serverNameExpression } from './match.ts';

/** https://www.rfc-editor.org/rfc/rfc1035#section-3.1 */
const MAX_LENGTH = 253;
const LABEL = /^(?:\*\*|(?:[-a-z0-9_]|\*(?!\*))+)$/;

/**
 * Reads a name of `serverNames`; a text for one that is wrong. A dot at the end means nothing, as no client sends it.
 * @param maxProgramSize the largest RE2 program that Envoy takes, in instructions
 * @see https://docs.cilium.io/en/stable/security/policy/language/#tls-server-name-indication-sni
 */
export function ingestServerName(text: string, source: FieldRef, maxProgramSize: number): ServerNameRule | string {
  const pattern = text.toLowerCase().replace(/\.$/, '');
  if (pattern.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  const wrong = pattern.split('.').find((label) => !LABEL.test(label));
  if (wrong === undefined) {
    const problem = pattern.includes('*') ? regexProblem(`(?i)${serverNameExpression(pattern)}`, maxProgramSize) : undefined;
    return problem === undefined ? { pattern, source } : `${JSON.stringify(text)} ${problem}`;
  }
  if (wrong.includes('**')) return `${JSON.stringify(text)} has ** in a label: it stands for labels, * for what is within one`;
  return `${JSON.stringify(text)} is no name of a server`;
}
