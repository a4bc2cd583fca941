/** A Service as a document of YAML, with one port. */
export function serviceYaml(name: string, port = 80): string {
  return `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n  - port: ${port}\n`;
}

/** Documents as one file. */
export function documents(...texts: readonly string[]): string {
  return texts.join('---\n');
}
