-- All records of a noun, or of one of its scopes.
-- KEYS[1] prefix
-- ARGV[1] noun, [2] scope, absent for all
-- Returns {rev, body, rev, body, …}
local uuids = ARGV[2] and redis.call('HVALS', key('names', ARGV[1], ARGV[2])) or redis.call('SMEMBERS', key('recs', ARGV[1]))
local found = {}
for _, uuid in ipairs(uuids) do
  local held = redis.call('HMGET', key('rec', ARGV[1], uuid), 'rev', 'body')
  found[#found + 1] = held[1]
  found[#found + 1] = held[2]
end
return found
