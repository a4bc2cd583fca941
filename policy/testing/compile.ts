import { type KubeObject, validateObject } from '../../kube/index.ts';
import { type PolicyChange, PolicyEngine, type PolicyEngineOptions } from '../engine.ts';
import type { PlainObject } from '../oracle/objects.ts';
import { nodesOf } from '../oracle/parties.ts';
import { CompiledPolicy } from './compiled-policy.ts';

/** An object as its view has it. Throws if the view refuses it. */
export function viewOf(plain: unknown): KubeObject {
  // Absent, as JSON knows no undefined.
  const validation = validateObject(JSON.parse(JSON.stringify(plain)));
  if (validation.result !== 'valid') throw new Error(`refused: ${JSON.stringify(validation)}`);
  return validation.object;
}

/** Compiles objects at once. */
export function compileAll(
  objects: readonly unknown[],
  options: PolicyEngineOptions = {},
): { readonly change: PolicyChange; readonly compiled: CompiledPolicy } {
  const engine = new PolicyEngine(options);
  for (const object of objects) engine.put(viewOf(object));
  const change = engine.flush();
  const compiled = new CompiledPolicy();
  compiled.apply(change);
  return { change, compiled };
}

/** The addresses of each node. */
export function hostsOf(objects: readonly PlainObject[]): Map<string, readonly string[]> {
  return new Map(nodesOf(objects).map(({ metadata, status }) => [metadata.name, (status?.addresses ?? []).map(({ address }) => address)]));
}
