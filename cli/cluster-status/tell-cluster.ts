import { ApiError } from '../../kube/index.ts';
import { requireApiClient } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { describeFailure } from '../describe-failure.ts';
import { print, printJson } from '../output.ts';
import { formatClusterReport } from '../text/cluster-report.ts';
import { askCluster } from './ask-cluster.ts';
import { type ClusterReport, reportCluster } from './cluster-report.ts';
import { untilReady } from './until-ready.ts';

export interface TellClusterOptions {
  readonly kubeconfig: string | undefined;
  readonly namespace: string;
  /** Until when to wait for it to be ready; milliseconds since 1970. */
  readonly untilMs: number;
  readonly output: 'text' | 'json';
}

/**
 * Says how the installation of a cluster is; exit code 1 where it is not ready.
 * @throws CliError where the API server cannot be asked
 */
export async function tellCluster({ kubeconfig, namespace, untilMs, output }: TellClusterOptions): Promise<void> {
  await using client = requireApiClient(kubeconfig);
  const progress = new Progress();
  try {
    const report = await untilReady(
      async () => reportCluster(await askCluster(client, namespace)),
      untilMs,
      (answer, error) => {
        progress.tell(answer ? describeWait(answer) : describeFailure(error));
      },
    );
    await (output === 'json' ? printJson(report) : print(formatClusterReport(report)));
    if (!report.ready) process.exitCode = 1;
  } catch (error) {
    if (error instanceof ApiError) throw new CliError('failed', error.message, { cause: error });
    throw error;
  }
}

/** What is waited for, on standard error, whenever it changes. */
class Progress {
  #last = '';

  tell(text: string): void {
    if (text === this.#last) return;
    this.#last = text;
    process.stderr.write(`waiting     ${text}\n`);
  }
}

function describeWait({ controllers, nodes, enforcers = [], problems, notProgrammed }: ClusterReport): string {
  const [problem] = problems;
  if (problem !== undefined) return problem;
  const controller = controllers.find(({ ready }) => !ready);
  if (controller) return `controller ${controller.pod}: ${controller.problem ?? 'not ready'}`;
  const node = nodes.find(({ ready, inSync }) => !(ready && inSync));
  if (node) return `node ${node.node}: ${node.problem ?? 'not in sync'}`;
  const enforcer = enforcers.find(({ ready, connected }) => !(ready && connected));
  if (enforcer) return `enforcer of ${enforcer.node}: ${enforcer.problem ?? 'not ready'}`;
  const [unenforced] = enforcers.flatMap(({ notEnforced }) => notEnforced);
  if (unenforced) return `${unenforced.pod} is not judged: ${unenforced.why}`;
  return `${notProgrammed.length} things are not programmed`;
}
