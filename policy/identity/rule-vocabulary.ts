import type { Prefix } from '../addresses/prefix.ts';
import { PrefixSet } from '../addresses/prefix-set.ts';
import type { LabelSelector } from '../labels/selector.ts';
import type { PolicyUnit, Rule } from '../rules/rule.ts';

/** What rules name, by which identities may have to be told apart. */
export class RuleVocabulary {
  readonly #labelKeys = new Map<string, number>();
  readonly #portNames = new Map<string, number>();
  /** Of rules that match whoever has an address. */
  readonly blocks = new PrefixSet();
  /** Of all rules. */
  readonly prefixes = new PrefixSet();
  #changed = false;

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

  /** Whether something came or went since this was asked last. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
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
    for (const port of ports === 'any' ? [] : ports) if (port.kind === 'name') this.#bump(this.#portNames, port.name, by);
  }

  #countSelector({ requirements }: LabelSelector, by: 1 | -1): void {
    for (const { key } of requirements) this.#bump(this.#labelKeys, key, by);
  }

  #countPrefix(prefix: Prefix, isBlock: boolean, by: 1 | -1): void {
    for (const set of isBlock ? [this.blocks, this.prefixes] : [this.prefixes]) {
      if (by > 0 ? set.add(prefix) : set.remove(prefix)) this.#changed = true;
    }
  }

  #bump(counts: Map<string, number>, key: string, by: 1 | -1): void {
    const count = (counts.get(key) ?? 0) + by;
    if (count > 0) counts.set(key, count);
    else counts.delete(key);
    if (count === (by > 0 ? 1 : 0)) this.#changed = true;
  }
}
