export { type PolicyChange, PolicyEngine, type PolicyEngineOptions } from './engine.ts';
export { type IdentityAllocator, type IdentityScope, MemoryIdentityAllocator } from './identity/allocator.ts';
export { formatLabel, type Label, parseLabel } from './labels/label.ts';
export type { EnforcementMode } from './verdicts/compile-direction.ts';
