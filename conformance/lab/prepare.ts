import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API_SERVER_PORT, type NodeAddresses, ROUTER } from './addresses.ts';
import { AUDIT_POLICY, SERVICE_ADDRESS } from './component-flags.ts';
import { type Credentials, kubeconfig, Trust, writeTrust } from './credentials.ts';
import { IMAGES, type ImageRow } from './images/table.ts';
import { INSIDE, kubeletConfiguration, makePlan } from './plan.ts';

export interface PrepareOptions {
  readonly name: string;
  readonly nodes: readonly NodeAddresses[];
  readonly images: readonly ImageRow[];
  /** The port of this machine's loopback that leads to the API server. */
  readonly port: number;
}

/** The lab's components that are users of the API server: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#core-component-roles */
const USERS = ['kube-controller-manager', 'kube-scheduler', 'kube-proxy'];

/**
 * Writes all files that a lab reads into its state folder, and beside them the kubeconfig for this machine, `admin.conf`.
 * @returns the administrator's credentials
 */
export async function prepareState(folder: string, { name, nodes, images, port }: PrepareOptions): Promise<Credentials> {
  const etc = join(folder, 'etc');
  const write = (file: string, content: unknown) => writeFileSync(join(etc, file), JSON.stringify(content));
  const trust = await writeTrust(join(etc, 'pki'), ['127.0.0.1', ROUTER, SERVICE_ADDRESS]);
  const inside = new Trust(`${INSIDE}/etc/pki`, trust.authority);
  const writeConfig = (user: string, credentials: Credentials) =>
    writeFileSync(join(etc, `${user}.conf`), kubeconfig(`https://${ROUTER}:${API_SERVER_PORT}`, credentials), { mode: 0o600 });
  const admin = await trust.issue('admin', { name: 'admin', group: 'system:masters' });
  writeConfig('admin', admin);
  for (const user of USERS) writeConfig(user, await trust.issue(user, { name: `system:${user}` }));
  for (const node of nodes) {
    const hosts = [node.name, node.address, '127.0.0.1'];
    const subject = { name: `system:node:${node.name}`, group: 'system:nodes', hosts };
    writeConfig(`kubelet-${node.name}`, await trust.issue(`kubelet-${node.name}`, subject));
    write(`kubelet-${node.name}.json`, kubeletConfiguration(node, inside));
  }
  write('images.json', [...images, ...IMAGES]);
  writeFileSync(join(etc, 'audit-policy.json'), AUDIT_POLICY);
  writeFileSync(join(etc, 'resolv.conf'), `nameserver ${ROUTER}\n`);
  writeFileSync(join(folder, 'admin.conf'), kubeconfig(`https://127.0.0.1:${port}`, admin), { mode: 0o600 });
  const plan = makePlan({ name, nodes, trust: inside, forward: port, auditLog: join(folder, 'audit.log') });
  writeFileSync(join(folder, 'plan.json'), JSON.stringify(plan));
  return admin;
}
