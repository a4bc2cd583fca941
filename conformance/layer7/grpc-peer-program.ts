import { z } from 'zod';
import { answerParent } from '../../testkit/answer-parent.ts';
import { callEach, GrpcEcho } from '../../testkit/grpc-echo.ts';

// Serves gRPC, and calls, in the network that it was started in.

const requestView = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('serve'), name: z.string(), port: z.int() }),
  /** By one connection, one call after the other. */
  z.object({ kind: z.literal('call'), to: z.string(), port: z.int(), texts: z.array(z.string()) }),
]);
export type GrpcPeerRequest = z.input<typeof requestView>;

answerParent(requestView, async (request) => {
  if (request.kind === 'serve') return void (await GrpcEcho.start(request.name, `[::]:${request.port}`));
  return await callEach({ address: request.to, port: request.port, host: 'grpc.test' }, request.texts);
});
