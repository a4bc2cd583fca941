/** Of what is shown. Beside what shows it, so that a command line can be read without. */
export const FORMATS = ['compact', 'json', 'dict', 'table'] as const;
export type Format = (typeof FORMATS)[number];
