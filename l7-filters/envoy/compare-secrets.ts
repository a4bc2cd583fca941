/** Where the values stand on their way to the comparison. */
export const SECRETS_HEADER = 'x-sluice-secrets';
/** Begins the names of headers that hold a value which may be added; the key of the comparison follows. */
export const SECRET_HEADER = 'x-sluice-secret-';

/** The namespace of what filters of a slot tell each other about a request. */
export const SLOT_METADATA = 'sluice.slot';

/**
 * Compares headers with values of Secrets, in a time that tells nothing but how long a value is. No text of users is in the script: what is to be
 * compared comes with the values, as KEY:NAME:VALUE in hexadecimal digits.
 */
export const COMPARE_SECRETS = `
local function decode(digits)
  return (digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function equal(a, b)
  if #a ~= #b then return false end
  local difference = 0
  for i = 1, #a do difference = bit.bor(difference, bit.bxor(a:byte(i), b:byte(i))) end
  return difference == 0
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local secrets = headers:get("${SECRETS_HEADER}")
  if secrets == nil then return end
  headers:remove("${SECRETS_HEADER}")
  local metadata = handle:streamInfo():dynamicMetadata()
  for key, name, value in secrets:gmatch("(%x+):(%x+):(%x+)") do
    local wanted = decode(value)
    local actual = headers:get(decode(name))
    if actual ~= nil and equal(actual, wanted) then metadata:set("${SLOT_METADATA}", decode(key), true) end
    headers:replace("${SECRET_HEADER}" .. decode(key), wanted)
  end
end
`;
