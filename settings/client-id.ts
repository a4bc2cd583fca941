import { z } from 'zod';

/** Who may ask for something: the SPIFFE id of one, or of all below. */
export const clientId = z
  .string()
  .regex(
    /^spiffe:\/\/sluice\.io\/[a-z0-9.-]+(\/[a-z0-9.-]+)*(\/\*)?$/,
    'must be an id such as spiffe://sluice.io/observer/ann, or end with /*',
  );
