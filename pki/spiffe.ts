const PREFIX = 'spiffe://sluice.io/';
/** What the API server takes for the name of a node: a DNS subdomain. */
const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const MAX_NODE_NAME = 253;

/**
 * The SPIFFE id of a controller.
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
 */
export const CONTROLLER_ID = `${PREFIX}controller`;

/** Whether it can be the name of a node. */
export function isNodeName(name: string): boolean {
  return name.length <= MAX_NODE_NAME && NODE_NAME.test(name);
}

/** The SPIFFE id of a node. */
export function nodeId(name: string): string {
  return `${PREFIX}node/${name}`;
}

/** By which every node is known as a server to who asks all of them in one manner, such as Prometheus. */
export const NODES_SERVER_NAME = 'nodes.sluice.io';

/** By which a node is known as a server to whoever knows nothing of SPIFFE. */
export function nodeServerName(name: string): string {
  return `${name}.${NODES_SERVER_NAME}`;
}

/** The SPIFFE id of somebody who asks nodes for their flows. @param name as of a node */
export function observerId(name: string): string {
  return `${PREFIX}observer/${name}`;
}

/** The name of the node whose SPIFFE id it is; undefined if it is not that of a node. */
export function nodeNameOf(spiffeId: string): string | undefined {
  const prefix = nodeId('');
  const name = spiffeId.slice(prefix.length);
  return spiffeId.startsWith(prefix) && isNodeName(name) ? name : undefined;
}
