import type { RunningLab } from '../lab/index.ts';
import { LabError } from '../lab/lab-error.ts';

/** What a machine forgets when it is switched off: what is pinned, programs and rules of its network, and sockets and files of `/run`. */
const FORGET = `
set -e
rm -r /sys/fs/bpf/sluice /run/sluice
tc qdisc del dev eth0 clsact
nft flush ruleset
`;

/**
 * Takes all processes of a node and what its kernel knows away, and starts those of the lab again, which start its pods anew. Does not
 * wait for these.
 * @throws LabError
 */
export async function restartNode(lab: RunningLab, node: string): Promise<void> {
  // With the runtime the pods go. The kubelet before it, which would otherwise see them go.
  const processes = [`kubelet-${node}`, `kube-proxy-${node}`, `cri-${node}`];
  for (const process of processes) await lab.kill(process);
  const { code, stderr } = await lab.run(['sh', '-c', FORGET], { where: node, mounts: true });
  if (code !== 0) throw new LabError('command-failed', `${node} is not switched off: ${stderr}`);
  await lab.start(...processes.toReversed());
}
