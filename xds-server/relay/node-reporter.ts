import { create, toBinary } from '@bufbuild/protobuf';
import { StatusSchema } from '@sluice/envoy-protos/google/rpc/status_pb.js';
import { REPORT_PATH, writeRefusal } from '../serve/index.ts';
import { ReportStream } from './report-stream.ts';
import type { UpstreamAddress } from './upstream.ts';

/** Tells the controller that takes reports what this node's Envoy refuses. There is a stream as long as there is something to tell. */
export class NodeReporter implements Disposable {
  readonly #stream: ReportStream;
  #refused: ReadonlyMap<string, string> = new Map();

  constructor(address: UpstreamAddress) {
    this.#stream = new ReportStream(address, REPORT_PATH, () => this.#send());
  }

  /** @param refused all of it, in Envoy's words by name */
  tell(refused: ReadonlyMap<string, string>): void {
    this.#refused = refused;
    if (refused.size === 0) this.#stream.close();
    else if (this.#stream.isOpen) this.#send();
    else this.#stream.open();
  }

  /** What was told is forgotten. */
  [Symbol.dispose](): void {
    this.#stream.close();
  }

  #send(): void {
    const report = writeRefusal({ message: 'refused by Envoy', resources: this.#refused });
    this.#stream.send(toBinary(StatusSchema, create(StatusSchema, report)));
  }
}
