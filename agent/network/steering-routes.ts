import { type IpFamily, type MarkRule, NetlinkError, type RouteEditor } from '../netlink/index.ts';
import { LEG_MARKS } from './marks.ts';
import type { NetworkItem, NetworkPart } from './network-item.ts';
import type { Sysctls } from './sysctls.ts';

const TABLE = 2004;
/** Before the rules of network plugins that lead packets for a pod to its device whatever their mark; AWS has its first at 512. */
const PRIORITY = 11;
const LOOPBACK = 'lo';
const GONE = new Set(['ENOENT', 'ESRCH']);

/** What was given to Envoy's sockets is delivered on this machine, whomever it is addressed to. */
export class SteeringRoutes implements NetworkPart {
  readonly #sysctls: Sysctls;
  readonly #editor: RouteEditor;

  constructor(sysctls: Sysctls, editor: RouteEditor) {
    this.#sysctls = sysctls;
    this.#editor = editor;
  }

  items(): readonly NetworkItem[] {
    return this.#families().flatMap((family) => [this.#route(family), this.#rule(family)]);
  }

  make(): void {
    const ifindex = this.#loopback();
    for (const family of this.#families()) {
      if (this.#route(family).found === undefined) ignore('EEXIST', () => this.#editor.addRoute({ family, table: TABLE, ifindex }));
      if (this.#rule(family).found === undefined) ignore('EEXIST', () => this.#editor.addRule(ruleOf(family)));
    }
  }

  remove(): readonly string[] {
    const ifindex = this.#loopback();
    // They stay when a machine gives up IPv6.
    return this.#families('that can be').flatMap((family) => {
      const removed: string[] = [];
      if (deleted(() => this.#editor.deleteRule(ruleOf(family))))
        removed.push(`removed the rule of ${nameOf(family)} that leads to table ${TABLE}`);
      if (deleted(() => this.#editor.deleteRoute({ family, table: TABLE, ifindex })))
        removed.push(`removed the routes of ${nameOf(family)} in table ${TABLE}`);
      return removed;
    });
  }

  #route(family: IpFamily): NetworkItem {
    const isThere = this.#editor.hasRoute({ family, table: TABLE, ifindex: this.#loopback() });
    const wanted = `local default dev ${LOOPBACK}`;
    return { kind: 'route', name: `${family} table ${TABLE}`, wanted, found: isThere ? wanted : undefined };
  }

  #rule(family: IpFamily): NetworkItem {
    const { priority, mark, mask } = ruleOf(family);
    const wanted = `${priority}: fwmark 0x${mark.toString(16)}/0x${mask.toString(16)} lookup ${TABLE}`;
    return { kind: 'rule', name: `${family} rule`, wanted, found: this.#editor.hasRule(ruleOf(family)) ? wanted : undefined };
  }

  #families(which: 'in use' | 'that can be' = 'in use'): readonly IpFamily[] {
    const isIpv6 = which === 'in use' ? this.#sysctls.hasIpv6() : this.#sysctls.knowsIpv6();
    return isIpv6 ? ['ipv4', 'ipv6'] : ['ipv4'];
  }

  #loopback(): number {
    return this.#editor.findLink(LOOPBACK)?.index ?? 1;
  }
}

function ruleOf(family: IpFamily): MarkRule {
  return { family, priority: PRIORITY, mark: LEG_MARKS.toEnvoy, mask: LEG_MARKS.mask, table: TABLE };
}

function nameOf(family: IpFamily): string {
  return family === 'ipv4' ? 'IPv4' : 'IPv6';
}

function deleted(remove: () => void): boolean {
  try {
    remove();
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && GONE.has(error.errnoName ?? '')) return false;
    throw error;
  }
}

function ignore(errnoName: string, change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errnoName !== errnoName) throw error;
  }
}
