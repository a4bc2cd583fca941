import { diagnoseEnvoyConfig, type EnvoyConfig } from '../../envoy-config/index.ts';
import type { Node } from '../../kube/index.ts';
import type { ClientNode, Diagnostic } from '../../model/index.ts';
import { matchesLabels } from '../../settings/index.ts';

/** The only node that configs are for. */
export interface OwnNode {
  readonly name: string;
  /** Absent where nobody tells of it. */
  readonly object: Node | undefined;
}

const SELECTOR = ['spec', 'nodeSelector'];

/** What is served of a config on a node, with what there is to tell. A node whose labels nobody knows is taken for one that it is for. */
export function onOwnNode(config: EnvoyConfig, { name, object }: OwnNode) {
  const { nodeSelector, ...forAll } = config;
  if (!nodeSelector) return { config: forAll, diagnostics: [] };
  const tell = (code: 'NodeNotSelected' | 'NodeUnknown', message: string): readonly Diagnostic[] => [
    diagnoseEnvoyConfig(config.object, SELECTOR, code, message),
  ];
  if (!object)
    return { config: forAll, diagnostics: tell('NodeUnknown', `nobody tells of the Node ${name} and its labels; it is served here`) };
  if (matchesLabels(nodeSelector, object.metadata.labels)) return { config: forAll, diagnostics: [] };
  return { diagnostics: tell('NodeNotSelected', `is not met by the labels of the Node ${name}; it is not served here`) };
}

export const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** What clients on the node are led by. */
export function clientNodeOf({ name, object }: OwnNode): ClientNode {
  const zone = object?.metadata.labels[ZONE_LABEL];
  return { name, ...(zone && { zone }) };
}
