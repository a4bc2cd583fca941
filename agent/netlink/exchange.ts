import { encodeRequest, IS_LITTLE_ENDIAN, type Message, readMessages } from './message.ts';
import { NetlinkError } from './netlink-error.ts';
import { type NetlinkProtocol, NetlinkSocket } from './socket.ts';

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
/** A dump during which something changed may lack what is there all the time. */
const MOST_TRIES = 10;

/** What is to be changed, as one message has it. */
export interface Command {
  readonly type: number;
  /** Beside those that every request has. */
  readonly flags: number;
  readonly body: Uint8Array;
}

/** Asks the kernel and hears its answers, which are there as soon as it was asked. What it throws are NetlinkErrors. */
export class NetlinkExchange implements Disposable {
  readonly #socket: NetlinkSocket;
  #sequence = 0;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** @throws NetlinkError `unavailable`, `refused` for a kernel before 4.20 */
  static open(protocol: NetlinkProtocol): NetlinkExchange {
    const socket = NetlinkSocket.open(protocol);
    // Without it the kernel ignores in a dump what it does not look at, such as the namespace.
    if (protocol === 'route') socket.enable('strictChecking');
    return new NetlinkExchange(socket);
  }

  /** All that there is. @param answers the type of the messages that tell of it @throws NetlinkError `refused`, `interrupted`, `malformed` */
  dump(type: number, body: Uint8Array, answers: number): readonly Message[] {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const messages = this.#ask({ type, flags: NLM_F_DUMP, body });
      if (messages.every(({ flags }) => (flags & NLM_F_DUMP_INTR) === 0)) return messages.filter((message) => message.type === answers);
    }
    throw new NetlinkError('interrupted', `what was asked for changed ${MOST_TRIES} times meanwhile`);
  }

  /** One thing; undefined where there is none. @throws NetlinkError `refused`, `malformed` */
  get(type: number, body: Uint8Array, answers: number): Message | undefined {
    try {
      return this.#ask({ type, flags: NLM_F_ACK, body }).find((message) => message.type === answers);
    } catch (error) {
      if (error instanceof NetlinkError && (error.errnoName === 'ENODEV' || error.errnoName === 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** @throws NetlinkError `refused`, `malformed` */
  change({ type, flags, body }: Command): void {
    this.#ask({ type, flags: flags | NLM_F_ACK, body });
  }

  /**
   * All of it or, where one is refused, nothing.
   * @param begin what the kernel knows the begin of a batch by, and `end` its end @throws NetlinkError `refused`, `malformed`
   */
  changeAll(begin: Command, commands: readonly Command[], end: Command): void {
    const first = this.#sequence + 1;
    const all = [begin, ...commands.map((command) => ({ ...command, flags: command.flags | NLM_F_ACK })), end];
    const datagrams = all.map(({ type, flags, body }) =>
      encodeRequest({ type, flags: flags | NLM_F_REQUEST, sequence: this.#nextSequence(), body }),
    );
    this.#socket.send(Buffer.concat(datagrams));
    const answers = this.#receiveAll().filter((message) => message.sequence >= first && message.type === NLMSG_ERROR);
    for (const answer of answers) assertNoError(answer);
    if (answers.length < commands.length) throw new NetlinkError('malformed', 'the kernel did not say what became of all that was asked');
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #ask({ type, flags, body }: Command): readonly Message[] {
    const sequence = this.#nextSequence();
    this.#socket.send(encodeRequest({ type, flags: flags | NLM_F_REQUEST, sequence, body }));
    const found: Message[] = [];
    for (;;) {
      const datagram = this.#socket.receive();
      if (datagram === undefined || datagram === 'overrun') throw new NetlinkError('malformed', 'an answer has no end');
      for (const message of readMessages(datagram.bytes)) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          assertNoError(message);
          // What interrupted the last part stands with the end.
          return [...found, message];
        }
        found.push(message);
      }
    }
  }

  #receiveAll(): readonly Message[] {
    const messages: Message[] = [];
    for (let datagram = this.#socket.receive(); datagram !== undefined; datagram = this.#socket.receive()) {
      if (datagram === 'overrun') throw new NetlinkError('malformed', 'what the kernel answered is lost');
      messages.push(...readMessages(datagram.bytes));
    }
    return messages;
  }

  #nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }
}

function assertNoError({ body }: Message): void {
  const errno = body.byteLength < 4 ? 0 : -body.getInt32(0, IS_LITTLE_ENDIAN);
  if (errno > 0) throw new NetlinkError('refused', 'the kernel refuses', errno);
}
