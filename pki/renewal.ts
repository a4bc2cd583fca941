/** Of the life of a certificate; the last third is for trying again. */
const RENEW_AFTER = 2 / 3;
/** How much of the life the renewals of many certificates that began at once are spread over. */
const SPREAD = 0.1;

/**
 * When a certificate is to be renewed: when two thirds of its life are over, and up to a tenth of its life sooner.
 * @param random from 0 to 1; default by chance
 * @returns milliseconds since 1970
 */
export function renewalTime(
  { notBefore, notAfter }: { readonly notBefore: Date; readonly notAfter: Date },
  random = Math.random(),
): number {
  const life = notAfter.getTime() - notBefore.getTime();
  return notBefore.getTime() + life * (RENEW_AFTER - SPREAD * random);
}
