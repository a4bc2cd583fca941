import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { ApiClientOptions, ApiServerClient } from '../kube/index.ts';
import { apiClientOf } from './api-client.ts';
import { HttpsServer } from './https-server.ts';

/** A request as it came. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers a request, at once or in parts; see {@link answerJson}. */
export type Script = (request: SeenRequest, response: ServerResponse) => void;

/** Answers as a test says, in the place of an API server. */
export class ScriptedApiServer implements AsyncDisposable {
  readonly https: HttpsServer;
  readonly requests: readonly SeenRequest[];

  private constructor(https: HttpsServer, requests: readonly SeenRequest[]) {
    this.https = https;
    this.requests = requests;
  }

  static async start(script: Script): Promise<ScriptedApiServer> {
    const requests: SeenRequest[] = [];
    const https = await HttpsServer.start(async (incoming, response) => {
      const { pathname, searchParams } = new URL(incoming.url ?? '/', 'https://localhost');
      const body = await text(incoming);
      const seen = { method: incoming.method ?? '', path: pathname, query: searchParams, headers: incoming.headers, body };
      requests.push(seen);
      script(seen, response);
    });
    return new ScriptedApiServer(https, requests);
  }

  /** A client without credentials. */
  client(options?: ApiClientOptions): ApiServerClient {
    const { url: server, authority, serverName } = this.https;
    return apiClientOf({ server, authority, serverName }, undefined, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.https[Symbol.asyncDispose]();
  }
}

export function answerJson(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** As an API server answers what it does not do. */
export function answerStatus(response: ServerResponse, code: number, message: string, headers: Record<string, string> = {}): void {
  answerJson(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message }, headers);
}
