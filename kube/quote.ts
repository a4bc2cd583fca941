const MAX_LENGTH = 80;

/** A value out of an object for use in a message: on one line, without control characters, cut where it is long. */
export function quote(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > MAX_LENGTH ? `${value.slice(0, MAX_LENGTH)}…` : value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  return String(value);
}
