import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { isAsWanted, removeSteeringNetwork, SteeringNetwork, type SteeringNetworkEvent } from '../agent/network/index.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const SETTINGS = {
  'ipv4/tcp_early_demux': '1',
  'ipv4/ip_local_port_range': '20000 50000',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/ip_local_reserved_ports': '\n',
};

/** What a command printed. */
export function run(...[command = '', ...args]: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Its fields are separated by one space. @param path below `net` */
export function sysctl(path: string): string {
  return readFileSync(`/proc/sys/net/${path}`, 'utf8').trim().replaceAll('\t', ' ');
}

export function setSysctl(path: string, value: string): void {
  writeFileSync(`/proc/sys/net/${path}`, value);
}

/** All of this namespace that could have been changed, as the tools of the field tell it. */
export function snapshot(): Record<string, unknown> {
  return {
    links: run('ip', '-json', '-details', 'link'),
    addresses: run('ip', '-json', 'address'),
    rules: [run('ip', '-json', 'rule'), run('ip', '-6', '-json', 'rule')],
    routes: [run('ip', '-json', 'route', 'show', 'table', 'all'), run('ip', '-6', '-json', 'route', 'show', 'table', 'all')],
    ruleset: run('nft', '-j', 'list', 'ruleset'),
    sysctls: Object.keys(SETTINGS).map(sysctl),
  };
}

/** A steering network in a folder of its own, in a namespace with settings that are none of ours; it is gone at the end. */
export class SteeringWorld implements Disposable {
  readonly folder = new TemporaryFolder();
  readonly events: SteeringNetworkEvent[] = [];
  readonly options = {
    stateFolder: this.folder.join('state'),
    proxyPorts: { first: 10_000, last: 19_999 },
    onEvent: (event: SteeringNetworkEvent) => this.events.push(event),
  };

  constructor() {
    for (const [path, value] of Object.entries(SETTINGS)) setSysctl(path, value);
  }

  open(): SteeringNetwork {
    return SteeringNetwork.open(this.options);
  }

  restored(): readonly string[] {
    return this.events.flatMap((event) => (event.kind === 'restored' ? event.items.map(({ name }) => name) : []));
  }

  [Symbol.dispose](): void {
    removeSteeringNetwork(this.options);
    this.folder.dispose();
  }
}

export function assertAllWell(network: SteeringNetwork): void {
  assert.deepEqual(
    network.list().filter((item) => !isAsWanted(item)),
    [],
  );
}
