export type { Collection } from './collection.ts';
export type { Compute, OnFailure, Read } from './derived.ts';
export { equal } from './equal.ts';
export { Graph } from './graph.ts';
export type { Spread } from './grouped.ts';
export type { Input } from './input.ts';
