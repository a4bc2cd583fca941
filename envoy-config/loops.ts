import type { FieldPath } from '../model/index.ts';

/** That one resource names another. */
export interface Edge<Place = FieldPath> {
  readonly to: string;
  readonly at: Place;
}

/**
 * Where resources lead back to themselves: of each loop one place, without which there is none. What goes round for ever ends the Envoy, for
 * everybody: a cluster that is composed of itself with the first request.
 * @param edges by the resource that they are in
 */
export function findLoops<Place>(edges: ReadonlyMap<string, readonly Edge<Place>[]>): readonly Edge<Place>[] {
  const closing: Edge<Place>[] = [];
  const done = new Set<string>();
  const onWay = new Set<string>();
  const stack: { readonly name: string; readonly left: Iterator<Edge<Place>> }[] = [];
  const enter = (name: string) => {
    if (done.has(name)) return;
    onWay.add(name);
    stack.push({ name, left: (edges.get(name) ?? []).values() });
  };
  for (const start of edges.keys()) {
    enter(start);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const { done: isOver, value: edge } = top.left.next();
      if (isOver) {
        stack.pop();
        onWay.delete(top.name);
        done.add(top.name);
      } else if (onWay.has(edge.to)) closing.push(edge);
      else enter(edge.to);
    }
  }
  return closing;
}
