import type { KubeObject, ObjectBatch, ObjectSource } from '../../kube/index.ts';

/** Pods as manifests have them: those that say nothing of a node are on this one. */
export class LocalPods implements ObjectSource {
  readonly #source: ObjectSource;
  readonly #nodeName: string;

  constructor(source: ObjectSource, nodeName: string) {
    this.#source = source;
    this.#nodeName = nodeName;
  }

  async *watch(signal: AbortSignal): AsyncGenerator<ObjectBatch, void, undefined> {
    for await (const batch of this.#source.watch(signal)) yield { ...batch, upserts: batch.upserts.map((object) => this.#place(object)) };
  }

  locate(...place: Parameters<ObjectSource['locate']>): ReturnType<ObjectSource['locate']> {
    return this.#source.locate(...place);
  }

  want(needed: readonly string[], dropped: readonly string[]): boolean {
    return this.#source.want(needed, dropped);
  }

  wantNodes(wanted: boolean): boolean {
    return this.#source.wantNodes(wanted);
  }

  #place(object: KubeObject): KubeObject {
    if (object.kind !== 'Pod') return object;
    const { metadata, spec } = object;
    // By these are pods told apart that had the same name one after the other, which nobody can know of those in files.
    const uid = metadata.uid ?? `${metadata.namespace}/${metadata.name}`;
    return { ...object, metadata: { ...metadata, uid }, spec: { ...spec, nodeName: spec.nodeName ?? this.#nodeName } };
  }
}
