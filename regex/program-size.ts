interface Group {
  size: number;
  /** Of the last atom, which a repetition after it multiplies. */
  last: number;
}

/**
 * The longest piece that is read as one, at a place in the pattern: quoted text, an escape, a class, the
 * opening of a group with its flags or name, a repetition. What has no end goes on to that of the pattern: to look for one
 * again and again would take time that grows faster than its length.
 */
const PIECE =
  /\\Q(?<quoted>.*?)(?:\\E|$)|\\(?:[xpP]\{[^}]*(?:\}|$)|[pP]?.)|\[\^?\]?(?:\[:\^?\w+:\]|\\.?|[^\]\\])*(?:\]|$)|\((?:\?[^:)>]*[:>]?)?|\{(?<min>\d+)(?:,(?<max>\d*))?\}|./gsy;

/**
 * About how many instructions a regular expression compiles to, without compiling it: rather too few than too many, in
 * time that grows with its length only. What is wrong with a pattern is for the compiler to say.
 */
export function estimateProgramSize(pattern: string): number {
  const outer: Group = { size: 0, last: 0 };
  const open: Group[] = [];
  let group = outer;
  for (const { 0: piece, groups } of pattern.matchAll(PIECE)) {
    if (piece.startsWith('(')) {
      open.push(group);
      group = { size: 0, last: 0 };
    } else if (piece === ')') {
      const { size } = group;
      group = open.pop() ?? outer;
      append(group, size);
    } else if (groups?.['min'] !== undefined) {
      const count = Math.max(Number(groups['min']), Number(groups['max'] || 0));
      const repeated = group.last * Math.max(1, count);
      group.size += repeated - group.last;
      group.last = repeated;
    } else {
      append(group, groups?.['quoted']?.length ?? 1);
    }
  }
  return outer.size + open.reduce((sum, { size }) => sum + size, 0);
}

function append(group: Group, size: number): void {
  group.size += size;
  group.last = size;
}
