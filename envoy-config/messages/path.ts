/** The name of a field as canonical JSON has it, the index of an item, or the key of a map. */
export type Step = string | number;

/** Where a message stands below the one that was begun with, which is undefined; made for every message that is visited, so it shares what is above. */
export type Path = { readonly above: Path; readonly step: Step } | undefined;

export function below(above: Path, step: Step): Path {
  return { above, step };
}

export function stepsOf(path: Path): readonly Step[] {
  const steps: Step[] = [];
  for (let at = path; at; at = at.above) steps.push(at.step);
  return steps.reverse();
}
