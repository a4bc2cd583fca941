import type { Trust } from './credentials.ts';

export const SERVICE_RANGE = '10.96.0.0/16';
/** Of the API server's own Service. */
export const SERVICE_ADDRESS = '10.96.0.1';

export interface ApiServerOptions {
  readonly trust: Trust;
  readonly etcdUrl: string;
  readonly address: string;
  readonly port: number;
  /** Where the audit log goes, and its policy; absent for no log. */
  readonly audit?: { readonly policy: string; readonly log: string };
}

/** https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/ */
export function apiServerFlags({ trust, etcdUrl, address, port, audit }: ApiServerOptions): readonly string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${address}`,
    `--secure-port=${port}`,
    `--tls-cert-file=${trust.path('apiserver.crt')}`,
    `--tls-private-key-file=${trust.path('apiserver.key')}`,
    `--client-ca-file=${trust.path('ca.crt')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${trust.path('sa.pub')}`,
    `--service-account-signing-key-file=${trust.path('sa.key')}`,
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--anonymous-auth=true',
    '--allow-privileged=true',
    '--profiling=false',
    '--v=1',
    ...(audit ? [`--audit-policy-file=${audit.policy}`, `--audit-log-path=${audit.log}`, '--audit-log-maxsize=0'] : []),
  ];
}

/** Who did what to which object, once it is done; nothing of what was sent or answered. https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/ */
export const AUDIT_POLICY = JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
});

/** https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/ */
export function controllerManagerFlags(trust: Trust, kubeconfigPath: string): readonly string[] {
  return [
    `--kubeconfig=${kubeconfigPath}`,
    '--leader-elect=false',
    `--service-account-private-key-file=${trust.path('sa.key')}`,
    `--root-ca-file=${trust.path('ca.crt')}`,
    `--cluster-signing-cert-file=${trust.path('ca.crt')}`,
    `--cluster-signing-key-file=${trust.path('ca.key')}`,
    '--kube-api-qps=200',
    '--kube-api-burst=400',
    '--profiling=false',
    `--controllers=${CONTROLLERS.join(',')}`,
  ];
}

const CONTROLLERS = [
  'certificatesigningrequest-cleaner-controller',
  'clusterrole-aggregation-controller',
  'cronjob-controller',
  'daemonset-controller',
  'deployment-controller',
  'disruption-controller',
  'endpoints-controller',
  'endpointslice-controller',
  'endpointslice-mirroring-controller',
  'garbage-collector-controller',
  'job-controller',
  'namespace-controller',
  'node-lifecycle-controller',
  'pod-garbage-collector-controller',
  'replicaset-controller',
  'root-ca-certificate-publisher-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'statefulset-controller',
  'taint-eviction-controller',
  'ttl-after-finished-controller',
];
