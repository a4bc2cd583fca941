import type { KubeObject } from '../../kube/index.ts';
import type { Diagnostic } from '../../model/index.ts';
import { PolicyEngine, type PolicyEngineOptions } from '../../policy/index.ts';
import type { Settings } from '../../settings/index.ts';

/** What makes policies out of manifests as it does of a cluster. */
export function policyOptions({ policy, envoy }: Pick<Settings, 'policy' | 'envoy'>): PolicyEngineOptions {
  const { enforcement, clusterName, podNetworks, labels } = policy;
  return { enforcement, cluster: clusterName, podNetworks, labelFilter: labels, regexMaxProgramSize: envoy.regexMaxProgramSize };
}

/** What is wrong with the policies among some objects, and with pods that they are for. */
export function diagnosePolicies(objects: readonly KubeObject[], settings: Pick<Settings, 'policy' | 'envoy'>): readonly Diagnostic[] {
  const engine = new PolicyEngine({ ...policyOptions(settings), impliesNamespaces: true });
  for (const object of objects) engine.put(object);
  return engine.flush().diagnostics ?? [];
}
