import { type Diagnostic, RESERVED_IDENTITIES } from '../model/index.ts';
import { factsOf, NO_FACETS } from './identity/facts.ts';
import { reservedLabels } from './identity/reserved.ts';
import { diagnose } from './report.ts';
import type { VerdictCompiler } from './verdicts/verdict-compiler.ts';

const INGRESS = factsOf(RESERVED_IDENTITIES.ingress, reservedLabels('ingress'), false, NO_FACETS);

/** What rules ask of clients of Ingresses that nobody looks at: connections to Envoy's listeners for Ingresses are not given to slots. */
export function diagnoseIngressRules(compiler: VerdictCompiler): Diagnostic[] {
  return compiler
    .selecting(INGRESS)
    .flatMap(({ ingress }) =>
      ingress.rules
        .filter(({ layer7 }) => layer7 !== undefined)
        .map(({ source: { object, path } }) =>
          diagnose(
            object,
            path,
            'IngressLayer7NotEnforced',
            'asks for requests or server names of clients of Ingresses, which it does not allow',
          ),
        ),
    );
}
