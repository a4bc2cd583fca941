import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { PlaceChild } from '../datapath/place-child.ts';
import type { Place } from '../lab/netns/index.ts';
import type { GrpcPeerRequest } from './grpc-peer-program.ts';

const PROGRAM = new URL('grpc-peer-program.ts', import.meta.url);
const answersView = z.array(z.string());

/** A program in a place of a lab that serves gRPC, and calls. */
export class GrpcPeer implements AsyncDisposable {
  readonly #child: PlaceChild<GrpcPeerRequest>;
  readonly #name: string;

  constructor(place: Place) {
    this.#name = place.name;
    this.#child = new PlaceChild<GrpcPeerRequest>(place, PROGRAM);
  }

  /** Serves on a port of all addresses; resolves when it listens. */
  async serve(port: number): Promise<void> {
    await this.#child.ask({ kind: 'serve', name: this.#name, port });
  }

  /** Calls so often, by one connection. @returns the names of who answered, in order @throws where a call fails */
  async call(to: string, port: number, count: number): Promise<readonly string[]> {
    const address = isIPv6(to) ? `[${to}]` : to;
    const texts = Array.from({ length: count }, (_, index) => String(index));
    const answers = answersView.parse(await this.#child.ask({ kind: 'call', to: address, port, texts }));
    return answers.map((answer) => answer.slice(0, answer.indexOf(':')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
