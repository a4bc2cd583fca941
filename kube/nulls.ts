/**
 * The same value without the properties that are null, which Kubernetes reads as absent. Nulls in lists stay. What
 * holds no null is returned as it is. The value must be a tree of plain data.
 */
export function withoutNulls(value: unknown): unknown {
  return holdsNull(value) ? copy(value) : value;
}

function holdsNull(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(holdsNull);
  for (const property of Object.values(value)) {
    if (property === null || holdsNull(property)) return true;
  }
  return false;
}

function copy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  const kept = Object.entries(value).filter(([, property]) => property !== null);
  return Object.fromEntries(kept.map(([key, property]) => [key, copy(property)]));
}
