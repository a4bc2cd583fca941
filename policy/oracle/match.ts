import { BlockList, isIPv6 } from 'node:net';
import type { PlainSelector } from './objects.ts';

/** Whether labels are what a selector asks for, word by word as Kubernetes documents it. */
export function selects(selector: PlainSelector, labelValue: (key: string) => string | undefined): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labelValue(key) !== value) return false;
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const value = labelValue(key);
    if (operator === 'In' && (value === undefined || !values.includes(value))) return false;
    if (operator === 'NotIn' && value !== undefined && values.includes(value)) return false;
    if (operator === 'Exists' && value === undefined) return false;
    if (operator === 'DoesNotExist' && value !== undefined) return false;
  }
  return true;
}

/** Whether an address lies inside of a prefix. */
export function isWithin(address: string, prefix: string): boolean {
  const [base = '', length] = prefix.split('/');
  const family = isIPv6(base) ? 'ipv6' : 'ipv4';
  if (isIPv6(address) !== (family === 'ipv6')) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(length ?? (family === 'ipv6' ? 128 : 32)), family);
  return list.check(address, family);
}
