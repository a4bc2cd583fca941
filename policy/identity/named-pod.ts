import type { Pod } from '../../kube/index.ts';
import type { NamedPod, Workload } from '../../model/index.ts';

/** What a Deployment tells its ReplicaSets apart by, on their pods. */
const TEMPLATE_HASH = 'pod-template-hash';
/** A CronJob names its Jobs by itself and the time, in minutes or seconds since 1970. */
const OF_CRON_JOB = /^(?<name>.+)-\d{8,10}$/;

export function namedPod(pod: Pod): NamedPod {
  const { namespace, name } = pod.metadata;
  return { namespace, name, workload: workloadOf(pod) };
}

/** By names alone, as Hubble does: nobody is asked for ReplicaSets and Jobs. */
function workloadOf({ metadata: { name, labels, controller } }: Pod): Workload {
  // A node says that it controls the mirrors of its static pods.
  if (!controller || controller.kind === 'Node') return { kind: 'Pod', name };
  const suffix = `-${labels[TEMPLATE_HASH]}`;
  if (controller.kind === 'ReplicaSet' && suffix !== '-' && controller.name.endsWith(suffix))
    return { kind: 'Deployment', name: controller.name.slice(0, -suffix.length) };
  const cronJob = controller.kind === 'Job' ? OF_CRON_JOB.exec(controller.name)?.groups?.['name'] : undefined;
  return cronJob === undefined ? controller : { kind: 'CronJob', name: cronJob };
}
