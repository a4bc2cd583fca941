import type { ServicePortTranslation } from '../../../../model/index.ts';
import { translation } from './service-world.ts';

/** Asked for at port 80; by address, the backends that may ever answer. */
export const STEADY = {
  '192.0.2.1': ['10.1.0.1 8080', '10.1.0.2 8080'],
  '192.0.2.2': ['10.1.0.3 8080', '10.1.0.4 8080'],
  '2001:db8::1': ['fd01::1 8080', 'fd01::2 8080', 'fd01::3 8080'],
} as const;

type Place = [address: string, port: number];

function placesOf(backends: readonly string[]): Place[] {
  return backends.map((text) => [text.split(' ')[0] ?? '', Number(text.split(' ')[1])]);
}

/**
 * Services that always have some of their backends, others with every turn: one of two, its frontend given to another Service and back,
 * with affinity and without; and some that come and go, so that memory of theirs is used again.
 */
export function changingServices(turn: number): readonly ServicePortTranslation[] {
  const steady = Object.entries(STEADY).map(([address, backends], index) => {
    const chosen = placesOf(backends).filter((_, place) => (turn + index) % backends.length !== place);
    const name = index === 0 && turn % 3 === 0 ? 'steady-0-renamed' : `steady-${index}`;
    return translation(name, { frontends: [[address, 80]], backends: chosen, affinitySeconds: turn % 5 === 0 ? 60 : 0 });
  });
  const away = translation(turn % 3 === 0 ? 'steady-0' : 'steady-0-renamed', {
    frontends: [['192.0.2.9', 80]],
    backends: [['10.1.0.4', 1]],
  });
  const fleeting = translation(`fleeting-${turn % 4}`, { frontends: [[`192.0.2.${10 + (turn % 40)}`, 80]], backends: [['10.9.9.9', 1]] });
  return [...steady, away, fleeting];
}
