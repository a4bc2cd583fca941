/** Where messages of this project are defined. */
export const PROTOS = { folder: 'xds-server/proto', pattern: 'sluice/**/*.proto' };
