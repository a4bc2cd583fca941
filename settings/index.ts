export { parseDuration } from './duration.ts';
export { DEFAULT_SETTINGS, type Settings, settingsSchema } from './settings.ts';
