import { z } from 'zod';
import type { SlotRules } from '../../model/index.ts';

/** Of the same version, or not understood. */
const rulesView = z.custom<SlotRules>((value) => z.looseObject({ kind: z.string(), rules: z.array(z.unknown()) }).safeParse(value).success);

/** @param rules JSON, as nodes are told of them */
export function parseRules(rules: string): SlotRules | undefined {
  try {
    return rulesView.parse(JSON.parse(rules));
  } catch {
    return undefined;
  }
}
