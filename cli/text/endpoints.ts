import type { ToldEndpoint, ToldEndpoints, ToldNewcomer } from '../enforcer/ask-enforcer.ts';
import { formatIdentity } from './identity.ts';
import { formatTable } from './table.ts';

/** A table of pods, with a column of nodes where several were asked; below it pods that start, and who did not answer. */
export function formatEndpoints({ endpoints, newcomers, notSteered, silent }: ToldEndpoints): string {
  const hasNodes = endpoints.some(({ node }) => node !== undefined);
  const heads = [...(hasNodes ? ['NODE'] : []), 'POD', 'STATE', 'IDENTITY', 'DEVICE', 'ADDRESSES', 'LABELS'];
  const rows = endpoints.map((endpoint) => [
    ...(hasNodes ? [endpoint.node ?? ''] : []),
    `${endpoint.namespace}/${endpoint.name}`,
    endpoint.state,
    endpoint.identity === undefined ? '-' : formatIdentity(endpoint.identity),
    endpoint.device ?? '-',
    endpoint.addresses.join(',') || '-',
    endpoint.labels.join(',') || '-',
  ]);
  const table = endpoints.length > 0 ? formatTable(heads, rows) : 'no pods\n';
  const troubles = [
    ...endpoints.flatMap(describeTrouble),
    ...newcomers.map(describeNewcomer),
    ...notSteered.map(
      ({ node, why }) => `rules of layer 7${node === undefined ? '' : ` on node ${node}`} may drop what they allow: ${why}`,
    ),
    ...silent.map(({ node, why }) => `node ${node} does not tell: ${why}`),
  ];
  return troubles.length > 0 ? `${table}\n${troubles.join('\n')}\n` : table;
}

function describeTrouble({ namespace, name, state, why }: ToldEndpoint): string[] {
  if (state === 'judged') return [];
  return [`${namespace}/${name} is not judged: ${state === 'missing' ? 'no device was found for it' : why}`];
}

function describeNewcomer({ node, device, identity, addresses }: ToldNewcomer): string {
  const where = node === undefined ? device : `${device} of ${node}`;
  return `${where} leads to a pod that nobody has told the address of yet (${addresses.join(', ')}): it is judged as ${formatIdentity(identity)}`;
}
