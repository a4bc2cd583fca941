const TRUE = new Set(['enabled', '1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['disabled', '0', 'f', 'F', 'FALSE', 'false', 'False']);

/** `enabled`, `disabled`, or what Go's strconv.ParseBool takes; undefined for anything else. */
export function parseSwitch(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

/** A decimal port number, 1 to 65535; undefined for anything else. */
export function parsePort(text: string): number | undefined {
  const port = /^\+?\d{1,10}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}

/** Takes exactly these words. */
export function oneOf<T extends string>(...values: readonly T[]): (text: string) => T | undefined {
  return (text) => values.find((value) => value === text);
}
