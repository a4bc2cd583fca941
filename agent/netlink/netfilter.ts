import { type Command, NetlinkExchange } from './exchange.ts';
import { encodeAttribute, nestAttributes, readAttributes, textIn } from './message.ts';
import { bigEndian, canonicalExpressions, encodeExpressions, type Statement } from './netfilter-rule.ts';

/** Where in a packet's way through the machine a chain stands. */
export type NetfilterHook = keyof typeof HOOKS;

export interface BaseChain {
  readonly name: string;
  readonly type: 'filter' | 'nat';
  readonly hook: NetfilterHook;
  /** A lower number is asked first; connection tracking is at -200, translation of sources at 100. */
  readonly priority: number;
  readonly rules: readonly (readonly Statement[])[];
}

/** A table of family `inet`, whose chains let pass whatever no rule decides of. */
export interface NetfilterTable {
  readonly name: string;
  readonly chains: readonly BaseChain[];
}

/** A chain of anybody's that packets come to by themselves. */
export interface ForeignChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  /** Such as `filter`, `nat`. */
  readonly type: string;
  readonly hook: NetfilterHook;
  readonly dropsByDefault: boolean;
}

const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const HOOK_NAMES = new Map<number, NetfilterHook>([
  [0, 'prerouting'],
  [1, 'input'],
  [2, 'forward'],
  [3, 'output'],
  [4, 'postrouting'],
]);
const FAMILIES = new Map([
  [1, 'inet'],
  [2, 'ip'],
  [10, 'ip6'],
]);
const INET = 1;
const ANY_FAMILY = 0;
const SUBSYSTEM = 10;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const MESSAGES = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  newRule: 6,
  getRule: 7,
  getGeneration: 16,
  newGeneration: 15,
};
const NLM_F_APPEND = 0x800;
const NLM_F_CREATE = 0x400;

const HEADER_BYTES = 4;
const TABLE_NAME = 1;
const TABLE_FLAGS = 2;
const CHAIN_TABLE = 1;
const CHAIN_NAME = 3;
const CHAIN_HOOK = 4;
const CHAIN_POLICY = 5;
const CHAIN_TYPE = 7;
const HOOK_NUMBER = 1;
const HOOK_PRIORITY = 2;
const RULE_TABLE = 1;
const RULE_CHAIN = 2;
const RULE_EXPRESSIONS = 4;
const GENERATION_ID = 1;
const NF_DROP = 0;
const NF_ACCEPT = 1;

/** Tables of nf_tables in the network namespace of the thread that opens it. Needs CAP_NET_ADMIN. @see https://wiki.nftables.org */
export class Netfilter implements Disposable {
  readonly #exchange: NetlinkExchange;

  private constructor(exchange: NetlinkExchange) {
    this.#exchange = exchange;
  }

  /** @throws NetlinkError `unavailable`, also where the kernel has no nf_tables */
  static open(): Netfilter {
    return new Netfilter(NetlinkExchange.open('netfilter'));
  }

  /** Another number whenever anything of anybody's has changed. @throws NetlinkError */
  generation(): number {
    const message = this.#exchange.get(typeOf('getGeneration'), header(ANY_FAMILY), typeOf('newGeneration'));
    return message === undefined ? 0 : (readAttributes(message.body, HEADER_BYTES).get(GENERATION_ID)?.getUint32(0) ?? 0);
  }

  /** @throws NetlinkError */
  hasTable(name: string): boolean {
    return this.#findTable(name) !== undefined;
  }

  /** Which chains of the table are not as they are to be, those that it has beside them included; nothing: all is well. @throws NetlinkError */
  differences({ name, chains }: NetfilterTable): ReadonlySet<string> {
    const found = this.#findTable(name);
    // One that sleeps is there and does nothing.
    if (found === undefined || (found.get(TABLE_FLAGS)?.getUint32(0) ?? 0) !== 0) return new Set(chains.map((chain) => chain.name));
    const [heads, rules] = [this.#readChains(name), this.#readRules(name)];
    const wanted = new Map(chains.map((chain) => [chain.name, [describeHead(chain), ...chain.rules.map(canonical)].join('\n')]));
    const there = new Map([...heads].map(([chain, head]) => [chain, [head, ...(rules.get(chain) ?? [])].join('\n')]));
    const names = new Set([...wanted.keys(), ...there.keys()]);
    return new Set([...names].filter((each) => wanted.get(each) !== there.get(each)));
  }

  /** Makes the table, in place of one of that name; no packet sees neither or half of one. @throws NetlinkError `refused` */
  replaceTable(table: NetfilterTable): void {
    const named = (attribute: number) => encodeAttribute(attribute, table.name);
    const create = { type: typeOf('newTable'), flags: NLM_F_CREATE, body: Buffer.concat([header(INET), named(TABLE_NAME)]) };
    const remove = { type: typeOf('deleteTable'), flags: 0, body: create.body };
    const chains = table.chains.flatMap((chain) => [
      { type: typeOf('newChain'), flags: NLM_F_CREATE, body: Buffer.concat([header(INET), named(CHAIN_TABLE), encodeChain(chain)]) },
      ...chain.rules.map((statements) => encodeRule(table.name, chain.name, statements)),
    ]);
    // What is not there cannot be removed, so it is made before.
    this.#changeAll([create, remove, create, ...chains]);
  }

  /** @throws NetlinkError `refused`, with `ENOENT` where it is not there */
  deleteTable(name: string): void {
    this.#changeAll([{ type: typeOf('deleteTable'), flags: 0, body: Buffer.concat([header(INET), encodeAttribute(TABLE_NAME, name)]) }]);
  }

  /** All of the kernel's that packets come to by themselves, in tables of everybody. @throws NetlinkError */
  baseChains(): readonly ForeignChain[] {
    return this.#exchange.dump(typeOf('getChain'), header(ANY_FAMILY), typeOf('newChain')).flatMap(({ body }) => readForeignChain(body));
  }

  /** Of a table of anybody's, each as its expressions, see {@link canonicalExpressions}. @throws NetlinkError */
  rulesOf({ family, table }: Pick<ForeignChain, 'family' | 'table'>): readonly (readonly string[])[] {
    const number = [...FAMILIES].find(([, name]) => name === family)?.[0] ?? ANY_FAMILY;
    const body = Buffer.concat([header(number), encodeAttribute(RULE_TABLE, table)]);
    return this.#exchange.dump(typeOf('getRule'), body, typeOf('newRule')).map((message) => {
      const expressions = readAttributes(message.body, HEADER_BYTES).get(RULE_EXPRESSIONS);
      return expressions === undefined ? [] : canonicalExpressions(expressions);
    });
  }

  [Symbol.dispose](): void {
    this.#exchange[Symbol.dispose]();
  }

  #findTable(name: string): ReadonlyMap<number, DataView> | undefined {
    const body = Buffer.concat([header(INET), encodeAttribute(TABLE_NAME, name)]);
    const message = this.#exchange.get(typeOf('getTable'), body, typeOf('newTable'));
    return message && readAttributes(message.body, HEADER_BYTES);
  }

  #readChains(table: string): ReadonlyMap<string, string> {
    const messages = this.#exchange.dump(typeOf('getChain'), header(INET), typeOf('newChain'));
    const ours = messages.map(({ body }) => readAttributes(body, HEADER_BYTES)).filter((each) => text(each.get(CHAIN_TABLE)) === table);
    return new Map(ours.map((each) => [text(each.get(CHAIN_NAME)), headOf(each)]));
  }

  #readRules(table: string): ReadonlyMap<string, readonly string[]> {
    const body = Buffer.concat([header(INET), encodeAttribute(RULE_TABLE, table)]);
    const messages = this.#exchange.dump(typeOf('getRule'), body, typeOf('newRule'));
    const rules = messages
      .map((message) => readAttributes(message.body, HEADER_BYTES))
      .filter((each) => text(each.get(RULE_TABLE)) === table);
    const byChain = Map.groupBy(rules, (each) => text(each.get(RULE_CHAIN)));
    return new Map([...byChain].map(([chain, all]) => [chain, all.map((each) => canonicalOf(each.get(RULE_EXPRESSIONS)))]));
  }

  #changeAll(commands: readonly Command[]): void {
    // The header says whose batch it is.
    const frame = (type: number) => ({ type, flags: 0, body: Uint8Array.of(0, 0, 0, SUBSYSTEM) });
    this.#exchange.changeAll(frame(BATCH_BEGIN), commands, frame(BATCH_END));
  }
}

function typeOf(message: keyof typeof MESSAGES): number {
  return (SUBSYSTEM << 8) | MESSAGES[message];
}

/** `struct nfgenmsg`. */
function header(family: number): Uint8Array {
  return Uint8Array.of(family, 0, 0, 0);
}

function encodeChain({ name, type, hook, priority }: BaseChain): Uint8Array {
  return Buffer.concat([
    encodeAttribute(CHAIN_NAME, name),
    nestAttributes(CHAIN_HOOK, bigEndian(HOOK_NUMBER, HOOKS[hook]), bigEndian(HOOK_PRIORITY, priority)),
    bigEndian(CHAIN_POLICY, NF_ACCEPT),
    encodeAttribute(CHAIN_TYPE, type),
  ]);
}

function encodeRule(table: string, chain: string, statements: readonly Statement[]): Command {
  const names = [encodeAttribute(RULE_TABLE, table), encodeAttribute(RULE_CHAIN, chain)];
  const body = Buffer.concat([header(INET), ...names, nestAttributes(RULE_EXPRESSIONS, encodeExpressions(statements))]);
  return { type: typeOf('newRule'), flags: NLM_F_CREATE | NLM_F_APPEND, body };
}

function describeHead({ type, hook, priority }: BaseChain): string {
  return `${type} ${HOOKS[hook]} ${priority} ${NF_ACCEPT}`;
}

function headOf(attributes: ReadonlyMap<number, DataView>): string {
  const hook = attributes.get(CHAIN_HOOK);
  const place = hook && readAttributes(hook);
  const policy = attributes.get(CHAIN_POLICY)?.getUint32(0);
  return `${text(attributes.get(CHAIN_TYPE))} ${place?.get(HOOK_NUMBER)?.getUint32(0)} ${place?.get(HOOK_PRIORITY)?.getInt32(0)} ${policy}`;
}

function canonical(statements: readonly Statement[]): string {
  const bytes = encodeExpressions(statements);
  return canonicalExpressions(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)).join(' ');
}

function canonicalOf(expressions: DataView | undefined): string {
  return expressions === undefined ? '' : canonicalExpressions(expressions).join(' ');
}

function readForeignChain(body: DataView): readonly ForeignChain[] {
  const attributes = readAttributes(body, HEADER_BYTES);
  const hook = attributes.get(CHAIN_HOOK);
  const number = hook && readAttributes(hook).get(HOOK_NUMBER)?.getUint32(0);
  const name = number === undefined ? undefined : HOOK_NAMES.get(number);
  const family = FAMILIES.get(body.getUint8(0));
  if (name === undefined || family === undefined) return [];
  const dropsByDefault = attributes.get(CHAIN_POLICY)?.getUint32(0) === NF_DROP;
  const [table, chain, type] = [CHAIN_TABLE, CHAIN_NAME, CHAIN_TYPE].map((each) => text(attributes.get(each)));
  return [{ family, table: table ?? '', name: chain ?? '', type: type ?? '', hook: name, dropsByDefault }];
}

function text(attribute: DataView | undefined): string {
  return attribute === undefined ? '' : textIn(attribute);
}
