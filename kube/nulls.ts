/**
 * The same value without the properties that are null, which Kubernetes reads as absent. Nulls in lists stay. What
 * holds no null is returned as it is. The value must be a tree of plain data.
 */
export function withoutNulls(value: unknown): unknown {
  return typeof value === 'object' && value !== null && holdsNull(value) ? copy(value) : value;
}

/** Runs for every value of every object, so it makes no lists of its own. */
function holdsNull(value: object): boolean {
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item === 'object' && item !== null && holdsNull(item)) return true;
    }
    return false;
  }
  for (const key in value) {
    const property: unknown = Reflect.get(value, key);
    if (property === null || (typeof property === 'object' && holdsNull(property))) return true;
  }
  return false;
}

function copy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  const kept = Object.entries(value).filter(([, property]) => property !== null);
  return Object.fromEntries(kept.map(([key, property]) => [key, copy(property)]));
}
