export { type SettingsField, settingsFields } from './describe.ts';
export { settingsDefaults, settingsTable } from './document.ts';
export { parseDuration } from './duration.ts';
export { settingsJsonSchema } from './json-schema.ts';
export {
  formatSettingsProblem,
  loadSettings,
  parseSettings,
  type SettingsFinding,
  type SettingsProblem,
  type SettingsResult,
} from './load.ts';
export { matchesLabels, type NodeSelector } from './node-selector.ts';
export { type OverlayResult, overlaySettings } from './overlay.ts';
export { settingsResourceDefinition } from './resource-definition.ts';
export { brokenRules, SETTINGS_RULES, type SettingsRule } from './rules.ts';
export { DEFAULT_SETTINGS, FILE_SECTIONS, fileSections, logsRequests, type Settings, settingsSchema } from './settings.ts';
