import { type DefaultRoute, type IpFamily, type MarkRule, NetlinkError, type RouteEditor } from '../netlink/index.ts';
import { LED_MARK, LEG_MARKS } from './marks.ts';
import type { NetworkItem, NetworkPart } from './network-item.ts';
import { STEERING_ENTRY } from './steering-device.ts';
import type { Sysctls } from './sysctls.ts';

/** Before the rules of network plugins that lead packets for a pod to its device whatever their mark; AWS has its first at 512. */
const PRIORITY = 11;

/** Where packets with a mark go, whomever they are addressed to. */
interface Way {
  readonly mark: number;
  readonly mask: number;
  readonly table: number;
  readonly type: DefaultRoute['type'];
  readonly device: string;
}

const WAYS = [
  // What was given to Envoy's sockets is delivered on this machine.
  { mark: LEG_MARKS.toEnvoy, mask: LEG_MARKS.mask, table: 2004, type: 'local', device: 'lo' },
  // What Envoy's own sockets send to a slot comes in again at the device by which packets for Envoy do.
  { ...LED_MARK, table: 2005, type: 'unicast', device: STEERING_ENTRY },
] as const satisfies readonly Way[];
const GONE = new Set(['ENOENT', 'ESRCH']);

/** Rules and routes for packets that are for Envoy. */
export class SteeringRoutes implements NetworkPart {
  readonly #sysctls: Sysctls;
  readonly #editor: RouteEditor;

  constructor(sysctls: Sysctls, editor: RouteEditor) {
    this.#sysctls = sysctls;
    this.#editor = editor;
  }

  items(): readonly NetworkItem[] {
    return this.#families().flatMap((family) => WAYS.flatMap((way) => [this.#routeItem(family, way), this.#ruleItem(family, way)]));
  }

  make(): void {
    for (const family of this.#families())
      for (const way of WAYS) {
        const route = this.#routeOf(family, way);
        if (route !== undefined && !this.#editor.hasRoute(route)) ignore('EEXIST', () => this.#editor.addRoute(route));
        if (!this.#editor.hasRule(ruleOf(family, way))) ignore('EEXIST', () => this.#editor.addRule(ruleOf(family, way)));
      }
  }

  remove(): readonly string[] {
    // They stay when a machine gives up IPv6.
    return this.#families('that can be').flatMap((family) =>
      WAYS.flatMap((way) => {
        const removed: string[] = [];
        const route = this.#routeOf(family, way);
        if (deleted(() => this.#editor.deleteRule(ruleOf(family, way))))
          removed.push(`removed the rule of ${nameOf(family)} that leads to table ${way.table}`);
        if (route !== undefined && deleted(() => this.#editor.deleteRoute(route)))
          removed.push(`removed the routes of ${nameOf(family)} in table ${way.table}`);
        return removed;
      }),
    );
  }

  #routeItem(family: IpFamily, way: Way): NetworkItem {
    const route = this.#routeOf(family, way);
    const wanted = `${way.type === 'local' ? 'local ' : ''}default dev ${way.device}`;
    const isThere = route !== undefined && this.#editor.hasRoute(route);
    return { kind: 'route', name: `${family} table ${way.table}`, wanted, found: isThere ? wanted : undefined };
  }

  #ruleItem(family: IpFamily, way: Way): NetworkItem {
    const { priority, mark, mask, table } = ruleOf(family, way);
    const wanted = `${priority}: fwmark 0x${mark.toString(16)}/0x${mask.toString(16)} lookup ${table}`;
    const isThere = this.#editor.hasRule(ruleOf(family, way));
    return { kind: 'rule', name: `${family} rule to table ${table}`, wanted, found: isThere ? wanted : undefined };
  }

  #families(which: 'in use' | 'that can be' = 'in use'): readonly IpFamily[] {
    const isIpv6 = which === 'in use' ? this.#sysctls.hasIpv6() : this.#sysctls.knowsIpv6();
    return isIpv6 ? ['ipv4', 'ipv6'] : ['ipv4'];
  }

  /** Undefined where its device is not there. */
  #routeOf(family: IpFamily, { table, type, device }: Way): DefaultRoute | undefined {
    const ifindex = this.#editor.findLink(device)?.index;
    return ifindex === undefined ? undefined : { family, table, type, ifindex };
  }
}

function ruleOf(family: IpFamily, { mark, mask, table }: Way): MarkRule {
  return { family, priority: PRIORITY, mark, mask, table };
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
