import { type Program, u64 } from 'libbpf-ts';

const COOKIE_BYTES = 8;

/**
 * What Envoy has open for who asked from outside of the node, by which he may not ask their backend any more: as `bpf/programs/stale-openings.h`.
 * @param program `outside_stale`
 * @returns the cookies of the sockets
 */
export function readStaleOpenings(program: Program): ReadonlySet<bigint> {
  using link = program.attach();
  const bytes = link.iterate();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.byteLength / COOKIE_BYTES;
  return new Set(Array.from({ length: count }, (_, index) => u64.decode(view, index * COOKIE_BYTES)));
}
