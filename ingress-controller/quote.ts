const MAX_LENGTH = 120;

/** A value from a user's object for use in a message: in quotes, without control characters, cut where it is long. */
export function quote(value: string): string {
  return JSON.stringify(value.length > MAX_LENGTH ? `${value.slice(0, MAX_LENGTH)}…` : value);
}
