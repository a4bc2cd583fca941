/** A container of a test's pod. */
export interface TestContainer {
  readonly image?: string;
  readonly script?: string;
  /** Whatever else there is to say of it. */
  readonly more?: object;
}

/** A pod of one container, `main`, which runs a shell script on the content of this machine; without one it sleeps. */
export function podManifest(name: string, { image = 'lab/host:1', script, more = {} }: TestContainer = {}, spec: object = {}): object {
  const command = script === undefined ? {} : { command: ['/bin/sh', '-c', script] };
  const main = { name: 'main', image, ...command, ...more };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { containers: [main], terminationGracePeriodSeconds: 0, ...spec },
  };
}

/** A pod on a node that answers HTTP with what it was asked, and its name; labelled `app: echo`. */
export function echoManifest(name: string, nodeName: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: 'echo' } },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'main',
          image: 'k8s.gcr.io/ingressconformance/echoserver:v0.0.1@sha256:9b34b17f391f87fb2155f01da2f2f90b7a4a5c1110ed84cb5379faa4f570dc52',
          env: [{ name: 'POD_NAME', value: name }],
          readinessProbe: { httpGet: { path: '/health', port: 3000 }, periodSeconds: 1 },
        },
      ],
    },
  };
}

export function echoService(name: string, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { selector: { app: 'echo' }, ports: [{ name: 'http', port: 80, targetPort: 3000 }], ...spec },
  };
}
