/** What made a pod, in people's words: the Deployment rather than its ReplicaSet; the pod itself where nothing did. */
export interface Workload {
  readonly kind: string;
  readonly name: string;
}

/** A pod, as people know it. */
export interface NamedPod {
  readonly namespace: string;
  readonly name: string;
  readonly workload: Workload;
}
