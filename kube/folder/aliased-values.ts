/**
 * How many values a decoded document has beyond those that are written in it, because aliases repeat parts of it. Takes
 * time in proportion to what is written, however much it expands to. `endless` where something holds itself.
 */
export function aliasedValues(root: unknown): number | 'endless' {
  const sizes = new Map<object, number>();
  const open = new Set<object>();
  let written = 0;

  function size(value: unknown): number {
    if (typeof value !== 'object' || value === null) {
      written++;
      return 1;
    }
    const known = sizes.get(value);
    if (known !== undefined) return known;
    if (open.has(value)) return Number.NaN;
    open.add(value);
    written++;
    let total = 1;
    for (const item of Array.isArray(value) ? value : Object.values(value)) total += size(item);
    open.delete(value);
    sizes.set(value, total);
    return total;
  }

  const expanded = size(root);
  return Number.isNaN(expanded) ? 'endless' : expanded - written;
}
