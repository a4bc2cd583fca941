/** One element of ASN.1 in DER: its tag byte and content. */
interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** The bytes that follow it. */
  readonly rest: Uint8Array;
}

const SEQUENCE = 0x30;
const OBJECT_ID = 0x06;
const BOOLEAN = 0x01;
const EXTENSIONS = 0xa3;

/**
 * The value of an extension of a certificate; undefined if it has none of this kind.
 * @param certificate DER, of a certificate that has been parsed before
 * @param objectId DER content of the object identifier, in hexadecimal
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1
 */
export function findExtension(certificate: Uint8Array, objectId: string): Uint8Array | undefined {
  const body = children(children(certificate)[0]?.content)[0]?.content;
  const wrapper = children(body).find(({ tag }) => tag === EXTENSIONS);
  for (const extension of children(children(wrapper?.content)[0]?.content)) {
    if (extension.tag !== SEQUENCE) continue;
    const [id, ...values] = children(extension.content);
    if (id?.tag !== OBJECT_ID || Buffer.from(id.content).toString('hex') !== objectId) continue;
    return values.find(({ tag }) => tag !== BOOLEAN)?.content;
  }
  return undefined;
}

function children(bytes: Uint8Array | undefined): readonly Element[] {
  const elements: Element[] = [];
  let rest = bytes ?? new Uint8Array();
  while (rest.length > 0) {
    const element = readElement(rest);
    if (element === undefined) break;
    elements.push(element);
    rest = element.rest;
  }
  return elements;
}

function readElement(bytes: Uint8Array): Element | undefined {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first - 0x80;
  if (lengthBytes > 4) return undefined;
  let length = first < 0x80 ? first : 0;
  for (const byte of bytes.subarray(2, 2 + lengthBytes)) length = length * 256 + byte;
  const start = 2 + lengthBytes;
  return start + length > bytes.length
    ? undefined
    : { tag, content: bytes.subarray(start, start + length), rest: bytes.subarray(start + length) };
}
