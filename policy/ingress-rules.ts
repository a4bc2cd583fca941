import { type Diagnostic, RESERVED_IDENTITIES } from '../model/index.ts';
import { factsOf, NO_FACETS } from './identity/facts.ts';
import { reservedLabels } from './identity/reserved.ts';
import { diagnose } from './report.ts';
import type { VerdictCompiler } from './verdicts/verdict-compiler.ts';

const INGRESS = factsOf(RESERVED_IDENTITIES.ingress, reservedLabels('ingress'), false, NO_FACETS);

/** What rules ask of Ingresses themselves that nobody looks at: Envoy does not give its own connections to itself. */
export function diagnoseIngressRules(compiler: VerdictCompiler): Diagnostic[] {
  return compiler
    .selecting(INGRESS)
    .flatMap(({ ingress, egress }) =>
      [...ingress.rules, ...egress.rules]
        .filter(({ layer7 }) => layer7 !== undefined)
        .map(({ source: { object, path } }) =>
          diagnose(
            object,
            path,
            'IngressLayer7NotEnforced',
            'asks for requests or server names of Ingresses themselves, which it does not allow',
          ),
        ),
    );
}
