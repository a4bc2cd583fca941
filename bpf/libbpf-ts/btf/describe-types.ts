import { MapType, PER_CPU_TYPES } from '../map-type.ts';
import { type BtfType, readBtf, unaliased } from './btf.ts';
import { CodecWriter } from './codec-writer.ts';
import { elfSections } from './elf.ts';
import { identifierOf } from './identifier.ts';

/** Sections of variables, of which pointers to a struct make that struct known. */
const VARIABLES = new Set(['.bss', '.data', '.rodata']);
/** Maps whose values are not bytes that anybody writes. */
const WITHOUT_VALUES: ReadonlySet<number> = new Set([MapType.ringBuffer, MapType.programArray, MapType.arrayOfMaps, MapType.hashOfMaps]);

interface DeclaredMap {
  readonly name: string;
  readonly type: number;
  readonly key: number;
  readonly value: number;
}

/**
 * Writes TypeScript for the maps of an object, and for the structs that these and its variables name: a codec of each struct, the values of each enum, and for
 * each map the codecs of its keys and values, for `loaded.map('flows', ...maps.flows)`.
 * @param from what the module imports the codecs from
 * @throws BpfError `open-failed` where it is no object, or has no types
 */
export function describeTypes(object: Uint8Array, from = 'libbpf-ts'): string {
  const section = elfSections(object).find(({ name }) => name === '.BTF');
  const types = readBtf(section?.content ?? new DataView(new ArrayBuffer(0)));
  const writer = new CodecWriter(types);
  const maps = declaredMaps(types).map(({ name, type, key, value }) => {
    const ofValue = writer.codecOf(value);
    return `  ${identifierOf(name)}: [${writer.codecOf(key)}, ${PER_CPU_TYPES.has(type) ? writer.use('perCpu', `(${ofValue})`) : ofValue}],`;
  });
  for (const type of pointees(types)) writer.codecOf(type);
  const body = [...writer.declarations, `export const maps = {\n${maps.join('\n')}\n} as const;`];
  const imports = writer.used.length > 0 ? [`import { ${writer.used.join(', ')} } from '${from}';`] : [];
  return `${['// Generated from the types of an eBPF object; see libbpf-ts.', ...imports].join('\n\n')}\n\n${body.join('\n\n')}\n`;
}

function declaredMaps(types: readonly BtfType[]): DeclaredMap[] {
  return variablesOf(types, (name) => name === '.maps').flatMap(({ name, type }) => {
    const declared = types[type];
    if (declared?.kind !== 'struct') return [];
    // `__uint(type, X)` declares a pointer to an array of X elements, `__type(key, T)` a pointer to a T.
    const pointed = new Map(declared.members.map((member) => [member.name, pointee(types, member.type)]));
    const kind = types[pointed.get('type') ?? 0];
    const [key, value] = [pointed.get('key'), pointed.get('value')];
    if (kind?.kind !== 'array' || key === undefined || value === undefined || WITHOUT_VALUES.has(kind.length)) return [];
    return [{ name, type: kind.length, key, value }];
  });
}

function pointees(types: readonly BtfType[]): number[] {
  const pointed = variablesOf(types, (name) => VARIABLES.has(name)).flatMap(({ type }) => pointee(types, type) ?? []);
  return pointed.filter((type) => types[unaliased(types, type)]?.kind === 'struct');
}

function variablesOf(
  types: readonly BtfType[],
  isWanted: (section: string) => boolean,
): { readonly name: string; readonly type: number }[] {
  return types
    .flatMap((type) => (type.kind === 'section' && isWanted(type.name) ? type.variables : []))
    .flatMap((number) => {
      const variable = types[number];
      return variable?.kind === 'variable' ? [variable] : [];
    });
}

function pointee(types: readonly BtfType[], type: number): number | undefined {
  const pointer = types[unaliased(types, type)];
  return pointer?.kind === 'pointer' ? pointer.type : undefined;
}
