import { type ClientNode, meantFor } from '../model/index.ts';
import type { Candidate } from './endpoints.ts';

/**
 * The endpoints of a Service whose traffic policy is `Cluster`: those that are ready, of these the ones that are meant for this node; and where none is
 * ready, those that terminate and still serve, wherever they are.
 * @see meantFor
 * @see https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/1669-proxy-terminating-endpoints
 */
export function chooseInCluster(candidates: readonly Candidate[], node: ClientNode): readonly Candidate[] {
  const ready = candidates.filter(({ isReady }) => isReady);
  if (ready.length === 0) return candidates.filter(isDraining);
  return meantFor(ready, node, (candidate) => candidate);
}

/**
 * Those of a Service whose traffic policy is `Local`: on this node, ready, or else terminating and still serving; none where the node
 * has none, wherever others are.
 * @see https://kubernetes.io/docs/concepts/services-networking/service-traffic-policy/
 */
export function chooseOnNode(candidates: readonly Candidate[], node: ClientNode): readonly Candidate[] {
  const local = candidates.filter((candidate) => candidate.node === node.name);
  const ready = local.filter(({ isReady }) => isReady);
  return ready.length > 0 ? ready : local.filter(isDraining);
}

/** Whether it still answers, but is going away. */
export function isDraining({ isReady, isServing, isTerminating }: Candidate): boolean {
  return !isReady && isServing && isTerminating;
}
