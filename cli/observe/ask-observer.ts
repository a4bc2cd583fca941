import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ChannelCredentials, Client, type ServiceError, status } from '@grpc/grpc-js';
import {
  type GetFlowsRequest,
  GetFlowsRequestSchema,
  type GetFlowsResponse,
  GetFlowsResponseSchema,
} from '@sluice/envoy-protos/hubble/observer_pb.js';
import { CliError } from '../cli-error.ts';

/** Who a node is does not depend on its address, which is no name that TLS takes. */
const NAMED = { 'grpc.ssl_target_name_override': 'nodes.sluice.io' };
const GET_FLOWS = '/observer.Observer/GetFlows';

/**
 * What a node tells of flows.
 * @param server as gRPC names it: `unix:PATH`, `HOST:PORT`
 * @param signal ends it
 * @throws CliError where nobody answers, or the request cannot be answered
 */
export async function* askFlows(
  server: string,
  credentials: ChannelCredentials,
  request: GetFlowsRequest,
  signal: AbortSignal,
): AsyncGenerator<GetFlowsResponse> {
  const client = new Client(server, credentials, NAMED);
  const call = client.makeServerStreamRequest(
    GET_FLOWS,
    (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    (bytes: Buffer) => fromBinary(GetFlowsResponseSchema, bytes),
    toBinary(GetFlowsRequestSchema, request),
  );
  const cancel = () => call.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    yield* call;
  } catch (error) {
    if (!signal.aborted) throw explained(error, server);
  } finally {
    signal.removeEventListener('abort', cancel);
    client.close();
  }
}

function explained(error: unknown, server: string): unknown {
  if (!isServiceError(error)) return error;
  if (error.code === status.INVALID_ARGUMENT) return new CliError('usage', error.details, { cause: error });
  if (error.code === status.UNAVAILABLE) {
    return new CliError('failed', `nobody tells of flows at ${server}: ${reasonOf(error)}`, { cause: error });
  }
  return new CliError('failed', `${server}: ${error.details}`, { cause: error });
}

/** What went wrong, of all that gRPC says of it. */
function reasonOf({ details }: ServiceError): string {
  return /Last error: (?:Error: )?(.+?)\.? *Resolution note/.exec(details)?.[1] ?? details;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error;
}
