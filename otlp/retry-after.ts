import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ClientRequest, IncomingMessage } from 'node:http';

/** On which Node tells of all answers that this process gets by HTTP. */
const ANSWERS = 'http.client.response.finish';

/**
 * How long a server that was asked by HTTP wants to be left alone, by the last of its answers: OpenTelemetry's exporter waits for so long where that is
 * less than its own limit, and else tells nobody.
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export class RetryAfter {
  readonly #url: URL;
  readonly #heard = (message: unknown): void => this.#hear(message);
  #until: number | undefined;

  constructor(url: string) {
    this.#url = new URL(url);
    subscribe(ANSWERS, this.#heard);
  }

  /** In milliseconds from now on; undefined where nothing is said of it. */
  get milliseconds(): number | undefined {
    return this.#until === undefined ? undefined : Math.max(0, this.#until - Date.now());
  }

  close(): void {
    unsubscribe(ANSWERS, this.#heard);
  }

  #hear(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('request' in message) || !('response' in message)) return;
    const { request, response } = message;
    if (!(request instanceof ClientRequest && response instanceof IncomingMessage)) return;
    const { protocol, host, pathname } = this.#url;
    if (request.protocol !== protocol || request.getHeader('host') !== host || request.path !== pathname) return;
    this.#until = endOf(response.headers['retry-after']);
  }
}

/** In milliseconds since 1970. */
function endOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const end = /^\d+$/.test(value) ? Date.now() + Number(value) * 1_000 : Date.parse(value);
  return Number.isNaN(end) ? undefined : end;
}
