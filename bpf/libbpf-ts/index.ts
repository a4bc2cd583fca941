export { BpfMap, type MapInfo, perCpu, type SetMode } from './bpf-map.ts';
export { array, bytes, type Codec, i32, struct, u8, u16, u32, u64 } from './codec.ts';
export { BpfError, type BpfErrorCode } from './error.ts';
export { LoadedObject } from './loaded-object.ts';
export { MapType } from './map-type.ts';
export { MapSpec, ObjectSpec, type ProgramSpec } from './object-spec.ts';
export { Program, type TestRunOptions, type TestRunResult } from './program.ts';
export { RingBuffer, type RingBufferOptions } from './ring-buffer.ts';
