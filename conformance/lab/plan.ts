import { API_SERVER_PORT, CLIENT, LOAD_BALANCER_RANGE, type NodeAddresses, POD_RANGE, ROUTER } from './addresses.ts';
import { apiServerFlags, controllerManagerFlags } from './component-flags.ts';
import type { Trust } from './credentials.ts';

/** A process of a lab, which `kubernetes/supervisor` starts when it is told to. */
export interface PlannedProcess {
  readonly name: string;
  /** Default: beside the router. */
  readonly place?: string;
  readonly args: readonly string[];
}

/** What `kubernetes/plan` reads. */
export interface Plan {
  readonly name: string;
  readonly places: readonly { readonly name: string; readonly address: string; readonly podRange?: string }[];
  readonly processes: readonly PlannedProcess[];
  readonly forward: number;
}

/** Folders inside a lab, where the state folder's `etc` is `/run/lab/etc`. */
export const INSIDE = '/run/lab';
const ETC = `${INSIDE}/etc`;

export interface PlanOptions {
  readonly name: string;
  readonly nodes: readonly NodeAddresses[];
  /** With the paths that the files have inside. */
  readonly trust: Trust;
  readonly forward: number;
  readonly auditLog: string;
}

export function makePlan({ name, nodes, trust, forward, auditLog }: PlanOptions): Plan {
  const client = { name: 'client', address: CLIENT };
  return {
    name,
    places: [client, ...nodes],
    processes: [...controlPlane(trust, auditLog), ...nodes.flatMap((node) => nodeProcesses(node))],
    forward,
  };
}

/** The path inside of a kubeconfig in the state folder's `etc`. */
export function kubeconfigOf(user: string): string {
  return `${ETC}/${user}.conf`;
}

function controlPlane(trust: Trust, auditLog: string): readonly PlannedProcess[] {
  const etcdUrl = 'http://127.0.0.1:2379';
  const audit = { policy: `${ETC}/audit-policy.json`, log: auditLog };
  const apiServer = [
    ...apiServerFlags({ trust, etcdUrl, address: '0.0.0.0', port: API_SERVER_PORT, audit }),
    `--advertise-address=${ROUTER}`,
    // The control plane has no kube-proxy: it reaches the endpoints of Services itself.
    '--enable-aggregator-routing=true',
    `--kubelet-client-certificate=${trust.path('admin.crt')}`,
    `--kubelet-client-key=${trust.path('admin.key')}`,
    `--kubelet-certificate-authority=${trust.path('ca.crt')}`,
    '--kubelet-preferred-address-types=InternalIP',
  ];
  const controllerManager = [
    ...controllerManagerFlags(trust, kubeconfigOf('kube-controller-manager')),
    '--use-service-account-credentials=true',
    '--bind-address=127.0.0.1',
  ];
  const scheduler = [`--kubeconfig=${kubeconfigOf('kube-scheduler')}`, '--leader-elect=false', '--bind-address=127.0.0.1'];
  const quick = ['--kube-api-qps=200', '--kube-api-burst=400', '--profiling=false'];
  const admin = `--kubeconfig=${kubeconfigOf('admin')}`;
  return [
    { name: 'etcd', args: ['etcd', '--data-dir', `${INSIDE}/etcd`, '--client-url', etcdUrl] },
    { name: 'kube-apiserver', args: ['kube-apiserver', ...apiServer] },
    { name: 'kube-controller-manager', args: ['kube-controller-manager', ...controllerManager] },
    { name: 'kube-scheduler', args: ['kube-scheduler', ...scheduler, ...quick] },
    { name: 'dns', args: ['dns', admin, '--address', ROUTER] },
    { name: 'loadbalancer', args: ['loadbalancer', admin, '--pool', LOAD_BALANCER_RANGE] },
  ];
}

function nodeProcesses({ name, address, podRange }: NodeAddresses): readonly PlannedProcess[] {
  const socket = `${INSIDE}/cri/${name}.sock`;
  const folder = `${INSIDE}/cri/${name}`;
  const images = `${ETC}/images.json`;
  const kubelet = [
    `--config=${ETC}/kubelet-${name}.json`,
    `--kubeconfig=${kubeconfigOf(`kubelet-${name}`)}`,
    `--root-dir=${INSIDE}/kubelet/${name}`,
    `--hostname-override=${name}`,
    `--node-ip=${address}`,
    '--v=2',
  ];
  const proxy = [
    `--kubeconfig=${kubeconfigOf('kube-proxy')}`,
    '--proxy-mode=nftables',
    `--hostname-override=${name}`,
    `--cluster-cidr=${POD_RANGE}`,
    '--healthz-bind-address=0.0.0.0:10256',
    '--metrics-bind-address=127.0.0.1:10249',
    '--nodeport-addresses=primary',
    // The limits of connection tracking are the machine's, not the node's.
    '--conntrack-max-per-core=0',
    '--conntrack-min=0',
    '--conntrack-tcp-timeout-established=0s',
    '--conntrack-tcp-timeout-close-wait=0s',
  ];
  return [
    {
      name: `cri-${name}`,
      place: name,
      args: ['cri', '--socket', socket, '--folder', folder, '--address', address, '--pods', podRange, '--images', images],
    },
    { name: `kubelet-${name}`, place: name, args: ['kubelet', ...kubelet] },
    { name: `kube-proxy-${name}`, place: name, args: ['kube-proxy', ...proxy] },
  ];
}

/** https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ */
export function kubeletConfiguration({ name, address }: NodeAddresses, trust: Trust): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: trust.path('ca.crt') } },
    authorization: { mode: 'Webhook' },
    tlsCertFile: trust.path(`kubelet-${name}.crt`),
    tlsPrivateKeyFile: trust.path(`kubelet-${name}.key`),
    containerRuntimeEndpoint: `unix://${INSIDE}/cri/${name}.sock`,
    // The lab limits no resources: machines that it runs on have controllers of either version, and none.
    cgroupsPerQOS: false,
    enforceNodeAllocatable: ['none'],
    failSwapOn: false,
    evictionHard: {
      'memory.available': '1Mi',
      'nodefs.available': '0%',
      'imagefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.inodesFree': '0%',
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    makeIPTablesUtilChains: false,
    clusterDNS: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    resolvConf: `${ETC}/resolv.conf`,
    podLogsDir: `${INSIDE}/logs/${name}`,
    volumePluginDir: `${INSIDE}/kubelet/${name}/volumeplugins`,
    healthzBindAddress: '127.0.0.1',
    maxPods: 200,
    kubeAPIQPS: 200,
    kubeAPIBurst: 400,
    serializeImagePulls: false,
    configMapAndSecretChangeDetectionStrategy: 'Watch',
    nodeStatusUpdateFrequency: '5s',
    // How soon changes of ConfigMaps and Secrets are seen in volumes: a minute is usual.
    syncFrequency: '5s',
  };
}
