export * from './cluster.ts';
export * from './diagnostic.ts';
export * from './listener.ts';
export * from './provenance.ts';
export * from './redacted.ts';
export * from './route.ts';
