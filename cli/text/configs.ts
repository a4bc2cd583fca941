import type { ConfigConditionStatus, ConfigStatus } from '../../controller/admin/status.ts';

/** Longer texts have more than one screen has room for; `-o json` has more of them. */
const MAX_TEXT = 300;

/** In one line: `CiliumEnvoyConfig default/shop, accepted, programmed on 2 of 2 nodes`. */
export function describeConfig({ kind, namespace, name, accepted, resolvedRefs, programmed, nodes }: ConfigStatus): string {
  const parts = [
    `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`,
    describeAccepted(accepted),
    resolvedRefs.status === 'True' ? undefined : `names what is not there: ${why(resolvedRefs)}`,
    programmed && describeProgrammed(programmed, nodes),
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

function describeProgrammed(programmed: ConfigConditionStatus, nodes: ConfigStatus['nodes']): string {
  const { status, message } = programmed;
  if (status === 'True') return nodes ? `programmed on ${message}` : message;
  return `${status === 'False' ? 'not programmed' : 'on its way'}: ${why(programmed)}`;
}

/** With what it is warned of. */
function describeAccepted(accepted: ConfigConditionStatus): string {
  if (accepted.status !== 'True') return `not accepted: ${why(accepted)}`;
  const warnings = accepted.message.replace(/^[^;]*(?:; )?/, '');
  return warnings === '' ? 'accepted' : `accepted, but ${cut(warnings)}`;
}

function why({ reason, message }: ConfigConditionStatus): string {
  return cut(`${reason}: ${message}`);
}

function cut(words: string): string {
  const text = words.replaceAll(/\s+/g, ' ');
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
