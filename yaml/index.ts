export { LineIndex } from './line-index.ts';
export { type YamlPath, YamlPlaces } from './places.ts';
