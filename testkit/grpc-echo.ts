import { once } from 'node:events';
import { type CallOptions, Client, credentials, Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';

const UNARY = '/sluice.test.Echo/Unary';
const STREAM = '/sluice.test.Echo/Stream';
/** What the server answers with an error of its own. */
export const UNKNOWN_TEXT = 'unknown';

const encode = (text: string) => Buffer.from(text);
const decode = (bytes: Buffer) => bytes.toString();
const METHOD = { requestSerialize: encode, requestDeserialize: decode, responseSerialize: encode, responseDeserialize: decode };

/** A real gRPC server that sends every text back, after its own name. */
export class GrpcEcho implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;

  private constructor(port: number, server: Server) {
    this.port = port;
    this.#server = server;
  }

  /**
   * Without TLS.
   * @param at default: 127.0.0.1, on a port that is free
   */
  static async start(name: string, at = '127.0.0.1:0'): Promise<GrpcEcho> {
    const server = new Server();
    server.addService(
      {
        Unary: { path: UNARY, requestStream: false, responseStream: false, ...METHOD },
        Stream: { path: STREAM, requestStream: true, responseStream: true, ...METHOD },
      },
      {
        Unary: (call: { readonly request: string }, reply: (error: Partial<ServiceError> | null, text?: string) => void) =>
          call.request === UNKNOWN_TEXT
            ? reply({ code: status.NOT_FOUND, details: `${name} does not know it` })
            : reply(null, `${name}: ${call.request}`),
        Stream: (call: NodeJS.ReadWriteStream) => {
          call.on('data', (text) => call.write(`${name}: ${text}`));
          call.on('end', () => call.end());
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(at, ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    return new GrpcEcho(port, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
    await Promise.resolve();
  }
}

export interface GrpcTarget {
  /** Default 127.0.0.1. */
  readonly address?: string;
  readonly port: number;
  readonly host: string;
  /** PEM of whom to trust; without it there is no TLS. */
  readonly ca?: string;
}

/** A call with one text. @throws ServiceError for a status other than OK */
export async function callUnary(target: GrpcTarget, text: string): Promise<string> {
  using client = open(target);
  return await ask(client.grpc, text);
}

/** A call for each text, one after the other, by one connection. @throws ServiceError for a status other than OK */
export async function callEach(target: GrpcTarget, texts: readonly string[]): Promise<readonly string[]> {
  using client = open(target);
  const answers: string[] = [];
  for (const text of texts) answers.push(await ask(client.grpc, text));
  return answers;
}

async function ask(client: Client, text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    client.makeUnaryRequest(UNARY, encode, decode, text, new Metadata(), withDeadline(), (error, answer = '') =>
      error ? reject(error) : resolve(answer),
    );
  });
}

/** A call both ways: sends each text once the one before has come back. */
export async function callStream(target: GrpcTarget, texts: readonly string[]): Promise<readonly string[]> {
  using client = open(target);
  const call = client.grpc.makeBidiStreamRequest(STREAM, encode, decode, new Metadata(), withDeadline());
  const answers: string[] = [];
  for (const text of texts) {
    call.write(text);
    const [answer] = await once(call, 'data');
    answers.push(String(answer));
  }
  call.end();
  await once(call.resume(), 'end');
  return answers;
}

function open({ address = '127.0.0.1', port, host, ca }: GrpcTarget): Disposable & { readonly grpc: Client } {
  const trust = ca === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca));
  const grpc = new Client(`${address}:${port}`, trust, {
    'grpc.default_authority': host,
    ...(ca !== undefined && { 'grpc.ssl_target_name_override': host }),
  });
  return { grpc, [Symbol.dispose]: () => grpc.close() };
}

function withDeadline(): CallOptions {
  return { deadline: Date.now() + 20_000 };
}
