/** The most that is kept of what clients say, in characters: Envoy lets through headers of 256 KiB, and thousands of requests are remembered. */
export const MOST_KEPT = { url: 2_048, host: 256, method: 32, requestId: 128, header: 256 } as const;

/** A text, or its beginning and `…` where it is longer. */
export function keptText(text: string, most: number): string {
  const kept = text.length <= most ? text : `${text.slice(0, most - 1)}…`;
  // Part of a string holds all of it in memory, unless it is copied.
  return Buffer.from(kept, 'utf8').toString('utf8');
}
