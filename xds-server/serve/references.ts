import { ByType } from './by-type.ts';
import { XdsError } from './error.ts';
import type { Resource, ResourceName } from './resource.ts';
import { nameOfType } from './types.ts';

/** Who requires what, so that a change can be checked by looking only at what it touches. */
export class References {
  readonly #requirers = new ByType<Set<Resource>>();

  add(resource: Resource): void {
    for (const { typeUrl, name } of resource.requires) {
      const requirers = this.#requirers.get(typeUrl, name);
      if (requirers) requirers.add(resource);
      else this.#requirers.set(typeUrl, name, new Set([resource]));
    }
  }

  delete(resource: Resource): void {
    for (const { typeUrl, name } of resource.requires) {
      const requirers = this.#requirers.get(typeUrl, name);
      if (requirers?.delete(resource) && requirers.size === 0) this.#requirers.delete(typeUrl, name);
    }
  }

  requirersOf({ typeUrl, name }: ResourceName): Iterable<Resource> {
    return this.#requirers.get(typeUrl, name) ?? [];
  }
}

/** A change as it will be: what is set (a resource) and what is removed (null). */
export type Overlay = ByType<Resource | null>;

/**
 * @throws XdsError `inconsistent` if after the change a resource would require one that is not there
 */
export function validateReferences(overlay: Overlay, references: References, exists: (name: ResourceName) => boolean): void {
  const after = ({ typeUrl, name }: ResourceName) => {
    const touched = overlay.get(typeUrl, name);
    return touched === undefined ? exists({ typeUrl, name }) : touched !== null;
  };
  for (const [typeUrl, name, resource] of overlay.entries()) {
    if (resource === null) {
      for (const requirer of references.requirersOf({ typeUrl, name })) {
        if (overlay.get(requirer.typeUrl, requirer.name) === undefined) throw dangling(requirer, { typeUrl, name });
      }
      continue;
    }
    const missing = resource.requires.find((required) => !after(required));
    if (missing) throw dangling(resource, missing);
  }
}

function dangling(requirer: Resource, required: ResourceName): XdsError {
  const from = `${nameOfType(requirer.typeUrl)} "${requirer.name}"`;
  return new XdsError('inconsistent', `${from} requires ${nameOfType(required.typeUrl)} "${required.name}", which is not there`);
}
