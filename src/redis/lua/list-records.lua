-- All records of a noun, those of one of its scopes, or those of an instance.
-- KEYS[1] prefix
-- ARGV[1] noun, [2] scope, absent for all, [3] owner, whatever the scope
-- Returns {rev, body, rev, body, …}
local noun, scope, owner = unpack(ARGV)
local uuids
if owner then
  uuids = redis.call('SMEMBERS', key('owned', noun, owner))
elseif scope then
  uuids = redis.call('HVALS', key('names', noun, scope))
else
  uuids = redis.call('SMEMBERS', key('recs', noun))
end
local found = {}
for _, uuid in ipairs(uuids) do
  local held = redis.call('HMGET', key('rec', noun, uuid), 'rev', 'body')
  found[#found + 1] = held[1]
  found[#found + 1] = held[2]
end
return found
