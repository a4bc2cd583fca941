import type { Resource } from '../serve/index.ts';

/** What resources of controllers are on this node, where that is something else. Controllers know of their own only, and so does the store. */
export class LocalForms {
  readonly #formOf: (sent: Resource) => Resource;
  readonly #sent = new WeakMap<Resource, Resource>();

  /** @param formOf of the same type and name */
  constructor(formOf: (sent: Resource) => Resource) {
    this.#formOf = formOf;
  }

  of(sent: Resource): Resource {
    const form = this.#formOf(sent);
    if (form !== sent) this.#sent.set(form, sent);
    return form;
  }

  /** What a controller sent, of which this is the form. */
  sentAs(form: Resource): Resource {
    return this.#sent.get(form) ?? form;
  }

  /** To be told what is served of a form: where that is a former one, of the same version, it is of something else from now on. */
  keep(form: Resource, served: Resource | undefined): void {
    if (!served || served === form || served.version !== form.version) return;
    if (this.#sent.has(served) || this.#sent.has(form)) this.#sent.set(served, this.sentAs(form));
  }

  /** Of what is served: forms that are others by now. */
  changed(served: Iterable<Resource>): readonly Resource[] {
    const all = [...served].filter((form) => this.#sent.has(form));
    return all.flatMap((before) => {
      const form = this.of(this.sentAs(before));
      return form.version === before.version ? [] : [form];
    });
  }
}
