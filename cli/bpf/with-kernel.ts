import { DatapathError } from '../../bpf/datapath/index.ts';
import { CliError } from '../cli-error.ts';
import { describeFailure } from '../describe-failure.ts';

const KERNEL_ERRORS = new Set(['BpfError', 'NetlinkError', 'SteeringNetworkError']);

/**
 * Does something with the kernel of this node.
 * @throws CliError for what whoever runs the command can put right
 */
export async function withKernel<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DatapathError && error.code === 'nothing-pinned') throw new CliError('failed', error.message, { cause: error });
    if (error instanceof DatapathError) throw new CliError('failed', describeFailure(error), { cause: error });
    if (error instanceof Error && 'code' in error && KERNEL_ERRORS.has(error.name))
      throw new CliError('failed', describeFailure(error), { cause: error });
    throw error;
  }
}
