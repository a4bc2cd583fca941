export type { Directory } from './directory.ts';
export type { Flow, FlowKind, FlowLayer7, FlowPeer, FlowVerdict, HttpExchange } from './flow.ts';
export { FlowLosses, LOSS_PLACES, type LossPlace } from './flow-losses.ts';
export { FlowRing } from './flow-ring.ts';
export { Observer, type ObserverOptions } from './hubble/observer.ts';
export { OptionProblem } from './option-problem.ts';
export { type Socket, socketOf } from './socket.ts';
