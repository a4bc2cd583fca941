import type { Diagnostic, DiagnosticCodeEntry, FieldRef } from '../model/index.ts';

/** The one diagnostic of this layer, as docs/diagnostics.md has it; a test holds the two together. */
export const REJECTED_BY_ENVOY = {
  code: 'RejectedByEnvoy',
  severity: 'error',
  meaning:
    'Envoy refused what was made of the object, and the message is its own. What it had before stays in force, of a CiliumEnvoyConfig all that the object said when Envoys took it; routes that it never had answer with 500, and what is for a listener of rules of layer 7 that it never had is dropped.',
} as const satisfies DiagnosticCodeEntry & { readonly code: string };

/** One diagnostic for each field that what was refused came from; one without an object if that is not known. */
export function rejectedByEnvoy(message: string, sources: readonly FieldRef[]): Diagnostic[] {
  const { code, severity } = REJECTED_BY_ENVOY;
  if (sources.length === 0) return [{ severity, code, message, path: [] }];
  return sources.map(({ object, path }) => ({ severity, code, message, object, path }));
}
