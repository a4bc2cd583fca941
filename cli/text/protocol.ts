import { ANY, IP_PROTOCOLS } from '../../model/index.ts';

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(IP_PROTOCOLS).map(([name, number]) => [number, name]));

/** `TCP`; the number where it has no name here, and `any` for all. */
export function formatProtocol(protocol: number): string {
  return protocol === ANY ? 'any' : (NAMES.get(protocol) ?? String(protocol));
}

/** `80`, `8000-8007` or `any`. @param length how many of the port's 16 leading bits count */
export function formatPortPrefix(port: number, length: number): string {
  if (length === 0) return 'any';
  return length === 16 ? String(port) : `${port}-${port + 2 ** (16 - length) - 1}`;
}

/** `10.0.0.7:80`, `[fd00::7]:80`. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
