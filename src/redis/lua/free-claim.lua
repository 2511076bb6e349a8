-- Frees what is held for an operation that has ended or is not there; nothing else.
-- KEYS[1] prefix
-- ARGV[1] type (resv | busy | use | secret | open), [2] the rest of its key, [3] field, [4] operation
-- Returns 1 when it was freed
local type, place, field, id = unpack(ARGV)
local state = redis.call('HGET', key('op', id), 'state')
if state and not FINAL[state] then return 0 end
if type == 'resv' then
  if redis.call('HGET', key('resv', place), field) ~= id then return 0 end
  return redis.call('HDEL', key('resv', place), field)
elseif type == 'busy' then
  local owner = ownerOf(field)
  if not owner or owner[4] ~= id then return 0 end
  return redis.call('HDEL', key('busy'), field)
elseif type == 'use' then
  return redis.call('HDEL', key('use', place), id)
elseif type == 'secret' then
  return redis.call('DEL', key('secret', id))
end
redis.call('SREM', key('ops', 'running'), id)
return redis.call('ZREM', key('ops', 'open'), id)
