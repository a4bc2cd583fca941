import type { ManifestObject } from '../../testkit/manifest-objects.ts';
import { objectOf } from './objects.ts';
import { type Deployment, POD_PORT } from './platform.ts';

/** Answers with what it received and who it is; it is the one of kubernetes-sigs/ingress-controller-conformance. */
export const ECHO_IMAGE = 'k8s.gcr.io/ingressconformance/echoserver:v0.0.1';
/** Nothing listens there, so a probe of it never succeeds. */
const NOBODYS_PORT = 3999;

/** A Deployment of echo servers as a cluster runs it. Its pods are replaced all at once, so that it never is between two states. */
export function echoDeployment({ namespace, name, app = name, ingress, replicas, ready = true }: Deployment): ManifestObject {
  const labels = { app, deployment: name };
  const fieldRef = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
  const container = {
    name: 'echo',
    image: ECHO_IMAGE,
    env: [
      { name: 'POD_NAME', ...fieldRef('metadata.name') },
      { name: 'NAMESPACE', ...fieldRef('metadata.namespace') },
      { name: 'INGRESS_NAME', value: ingress },
      { name: 'SERVICE_NAME', value: app },
    ],
    ports: [{ name: POD_PORT.name, containerPort: POD_PORT.port }],
    readinessProbe: { httpGet: { path: '/health', port: ready ? POD_PORT.port : NOBODYS_PORT }, periodSeconds: 1 },
  };
  const spec = {
    replicas,
    strategy: { type: 'Recreate' },
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 5, containers: [container] } },
  };
  return objectOf('apps/v1', 'Deployment', name, { spec }, { namespace });
}
