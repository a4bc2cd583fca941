import type { KeepAlive } from '../../xds-server/translate/socket-options.ts';

/**
 * Of connections with either side: whoever is gone without a word is found out after seven and a half minutes, and who cannot be reached for less than two
 * keeps his.
 */
export const KEEP_ALIVE: KeepAlive = { idleSeconds: 300, intervalSeconds: 30, probes: 5 };
