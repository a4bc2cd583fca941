import type { ObjectSource } from '../kube/index.ts';
import type { Diagnostic } from '../model/index.ts';

/** Adds the place in a file, where the object comes from one. */
export function locateDiagnostic(diagnostic: Diagnostic, source: Pick<ObjectSource, 'locate'>): Diagnostic {
  if (diagnostic.location !== undefined || diagnostic.object === undefined) return diagnostic;
  const location = source.locate(diagnostic.object, diagnostic.path);
  return location === undefined ? diagnostic : { ...diagnostic, location };
}
