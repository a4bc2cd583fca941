export { type SettingsField, settingsFields, settingsJsonSchema } from './describe.ts';
export { settingsDefaults, settingsTable } from './document.ts';
export { parseDuration } from './duration.ts';
export { formatSettingsProblem, loadSettings, parseSettings, type SettingsProblem, type SettingsResult } from './load.ts';
export { DEFAULT_SETTINGS, type Settings, settingsSchema } from './settings.ts';
