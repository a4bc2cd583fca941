export { AddressTable } from './addresses/address-table.ts';
export { DIAGNOSTIC_CODES as POLICY_DIAGNOSTIC_CODES } from './codes.ts';
export { type PolicyChange, PolicyEngine, type PolicyEngineOptions } from './engine.ts';
export { type Explanation, explainPacket, identitiesWithLabels, type PacketQuestion } from './explain.ts';
export { type IdentityAllocator, type IdentityScope, MemoryIdentityAllocator } from './identity/allocator.ts';
export { formatLabel, type Label, parseLabel } from './labels/label.ts';
export { type EnforcementMode, OWN_NODE } from './verdicts/compile-direction.ts';
export { type Judgement, judgePacket } from './verdicts/lookup.ts';
