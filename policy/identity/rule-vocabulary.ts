import type { Prefix } from '../addresses/prefix.ts';
import { PrefixSet } from '../addresses/prefix-set.ts';
import type { LabelSelector } from '../labels/selector.ts';
import type { PolicyUnit, Rule } from '../rules/rule.ts';

/** What came or went. */
export interface VocabularyChange {
  readonly labelKeys: ReadonlySet<string>;
  readonly portNames: ReadonlySet<string>;
  readonly blocks: readonly Prefix[];
}

/** What rules name, by which identities may have to be told apart. */
export class RuleVocabulary {
  readonly #labelKeys = new Map<string, number>();
  readonly #portNames = new Map<string, number>();
  /** Of rules that match whoever has an address. */
  readonly blocks = new PrefixSet();
  /** Of all rules. */
  readonly prefixes = new PrefixSet();
  readonly #changedKeys = new Set<string>();
  readonly #changedPorts = new Set<string>();
  readonly #changedBlocks: Prefix[] = [];
  #havePrefixesChanged = false;

  add(unit: PolicyUnit): void {
    this.#count(unit, 1);
  }

  remove(unit: PolicyUnit): void {
    this.#count(unit, -1);
  }

  /** Whether a rule names labels with this key, of any source. */
  namesLabel(key: string): boolean {
    return this.#labelKeys.has(key);
  }

  namesPort(name: string): boolean {
    return this.#portNames.has(name);
  }

  /** What came or went since this was asked last, if anything: prefixes of any rule, too. */
  takeChange(): VocabularyChange | undefined {
    const sizes = [this.#changedKeys.size, this.#changedPorts.size, this.#changedBlocks.length];
    if (!this.#havePrefixesChanged && sizes.every((size) => size === 0)) return undefined;
    const change = { labelKeys: new Set(this.#changedKeys), portNames: new Set(this.#changedPorts), blocks: this.#changedBlocks.splice(0) };
    this.#changedKeys.clear();
    this.#changedPorts.clear();
    this.#havePrefixesChanged = false;
    return change;
  }

  #count({ subject, ingress, egress }: PolicyUnit, by: 1 | -1): void {
    this.#countSelector(subject, by);
    for (const rule of [...ingress.rules, ...egress.rules]) this.#countRule(rule, by);
  }

  #countRule({ peers, ports }: Rule, by: 1 | -1): void {
    for (const peer of peers === 'any' ? [] : peers) {
      if (peer.kind === 'labels') this.#countSelector(peer.selector, by);
      else for (const prefix of [peer.within, ...peer.except]) this.#countPrefix(prefix, peer.of === 'every', by);
    }
    for (const port of ports === 'any' ? [] : ports) if (port.kind === 'name') bump(this.#portNames, this.#changedPorts, port.name, by);
  }

  #countSelector({ requirements }: LabelSelector, by: 1 | -1): void {
    for (const { key } of requirements) bump(this.#labelKeys, this.#changedKeys, key, by);
  }

  #countPrefix(prefix: Prefix, isBlock: boolean, by: 1 | -1): void {
    const count = (set: PrefixSet) => (by > 0 ? set.add(prefix) : set.remove(prefix));
    if (isBlock && count(this.blocks)) this.#changedBlocks.push(prefix);
    if (count(this.prefixes)) this.#havePrefixesChanged = true;
  }
}

function bump(counts: Map<string, number>, changed: Set<string>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
  if (count === (by > 0 ? 1 : 0)) changed.add(key);
}
