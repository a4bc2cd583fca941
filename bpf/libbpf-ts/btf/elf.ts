import { BpfError } from '../error.ts';

const MAGIC = 0x7f45_4c46;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const HEADER_BYTES = 64;
const SECTION_BYTES = 64;
const SHT_NOBITS = 8;
const SYMBOL_BYTES = 24;
const STT_OBJECT = 1;

export interface ElfSection {
  readonly name: string;
  readonly content: DataView;
}

/** A variable, and where it is. */
export interface ElfVariable {
  readonly name: string;
  /** The name of its section. */
  readonly section: string;
  /** In bytes, in that section. */
  readonly offset: number;
  readonly size: number;
}

/**
 * The sections of an ELF file of 64 bits, in their order.
 * @throws BpfError `open-failed`
 * @see https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
export function elfSections(file: Uint8Array): readonly ElfSection[] {
  return reading(file, readSections);
}

/** The variables of an ELF file, as its symbols tell; none where these were stripped. @throws BpfError `open-failed` */
export function elfVariables(file: Uint8Array): readonly ElfVariable[] {
  return reading(file, readVariables);
}

function reading<T>(file: Uint8Array, read: (view: DataView) => T): T {
  try {
    return read(new DataView(file.buffer, file.byteOffset, file.byteLength));
  } catch (error) {
    if (error instanceof RangeError) throw new BpfError('open-failed', 'the file is cut off, or no ELF file');
    throw error;
  }
}

function readSections(view: DataView): readonly ElfSection[] {
  if (view.byteLength < HEADER_BYTES || view.getUint32(0) !== MAGIC || view.getUint8(4) !== CLASS_64) {
    throw new BpfError('open-failed', 'the file is no ELF file of 64 bits');
  }
  const little = view.getUint8(5) === LITTLE_ENDIAN;
  const offset = Number(view.getBigUint64(40, little));
  const count = view.getUint16(60, little);
  const names = view.getUint16(62, little);
  const headers = Array.from({ length: count }, (_, index) => {
    const at = offset + index * SECTION_BYTES;
    const isEmpty = view.getUint32(at + 4, little) === SHT_NOBITS;
    const [from, size] = [Number(view.getBigUint64(at + 24, little)), Number(view.getBigUint64(at + 32, little))];
    return { name: view.getUint32(at, little), content: isEmpty ? slice(view, 0, 0) : slice(view, from, size) };
  });
  const texts = headers[names]?.content;
  if (!texts) throw new BpfError('open-failed', 'the ELF file has no names of sections');
  return headers.map(({ name, content }) => ({ name: textAt(texts, name), content }));
}

function readVariables(view: DataView): readonly ElfVariable[] {
  const little = view.getUint8(5) === LITTLE_ENDIAN;
  const sections = readSections(view);
  const contentOf = (wanted: string) => sections.find(({ name }) => name === wanted)?.content ?? new DataView(new ArrayBuffer(0));
  const [symbols, texts] = [contentOf('.symtab'), contentOf('.strtab')];
  return Array.from({ length: Math.floor(symbols.byteLength / SYMBOL_BYTES) }, (_, index) => index * SYMBOL_BYTES).flatMap((at) => {
    const section = sections[symbols.getUint16(at + 6, little)];
    if ((symbols.getUint8(at + 4) & 0xf) !== STT_OBJECT || !section) return [];
    const name = textAt(texts, symbols.getUint32(at, little));
    const [offset, size] = [Number(symbols.getBigUint64(at + 8, little)), Number(symbols.getBigUint64(at + 16, little))];
    return [{ name, section: section.name, offset, size }];
  });
}

/** A text that ends with a zero. @throws RangeError */
export function textAt(view: DataView, offset: number): string {
  if (offset > view.byteLength) throw new RangeError('a name is outside of the names');
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, view.byteLength - offset);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? undefined : end));
}

/** @throws RangeError */
export function slice(view: DataView, offset: number, size: number): DataView {
  if (!(offset >= 0 && size >= 0 && offset + size <= view.byteLength)) throw new RangeError('a section is outside of the file');
  return new DataView(view.buffer, view.byteOffset + offset, size);
}
