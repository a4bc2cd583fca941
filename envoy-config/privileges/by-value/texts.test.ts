import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foundIn, resource } from '../testing/resources.ts';

const ENVIRONMENT = 'envoy.config.core.v3.DataSource.environment_variable';
const FILE = 'envoy.extensions.formatter.file_content.v3.FileContent';

const FORMATS: Readonly<Record<string, readonly string[]>> = {
  '%ENVIRONMENT(A)%': [ENVIRONMENT],
  'x%ENVIRONMENT(A):3%': [ENVIRONMENT],
  '%%ENVIRONMENT(A)%': [ENVIRONMENT],
  '%FILE_CONTENT(/a)%%ENVIRONMENT(A)%': [ENVIRONMENT, FILE],
  '%COALESCE({"operators":[{"command":"ENVIRONMENT","param":"A"}]})%': [ENVIRONMENT],
  '%COALESCE({"operators":[{"command":"\\u0045NVIRONMENT","param":"A"}]})%': [ENVIRONMENT, FILE],
  '%COALESCE({"operators":["START_TIME"]})%': [],
  '%START_TIME%': [],
  'ENVIRONMENT(A)': [],
  ENVIRONMENT: [],
};

for (const [format, expected] of Object.entries(FORMATS)) {
  test(`the format ${format} asks for ${expected.join(', ') || 'nothing of the node'}`, () => {
    const header = { responseHeadersToAdd: [{ header: { key: 'a', value: format } }] };
    const found = foundIn(resource('routes', header));
    assert.deepEqual(
      found,
      expected.map((what) => `${what} @ responseHeadersToAdd.0.header.value`),
    );
  });
}
