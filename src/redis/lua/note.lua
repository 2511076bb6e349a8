-- Writes what a worker did between two steps.
-- KEYS[1] prefix
-- ARGV[1] id, [2] fence, [3] token
-- ARGV[4] envelope: at, notes [{id (attempt and name), text (JSON)}], progress? (JSON), metadata? (JSON),
--   observed (JSON array)
-- ARGV[5] record changes; with any of them the operation goes only forward from here
-- Returns 'written' | 'cancel' | 'fenced' | 'changed'
local id, ask, changes = ARGV[1], cjson.decode(ARGV[4]), cjson.decode(ARGV[5])
local op = key('op', id)
local held = redis.call('HMGET', op, 'state', 'fence', 'token', 'forward', 'cancel', 'notes', 'noted', 'applied')
if held[1] ~= 'running' or tonumber(held[2]) ~= tonumber(ARGV[2]) or held[3] ~= ARGV[3] then return 'fenced' end
local cancel = held[5] and held[4] ~= '1'
local applied = held[8] or ''

if #changes > 0 then
  -- A cancel was promised: the point of no return is not passed any more.
  if cancel then return 'cancel' end
  local digest = redis.sha1hex(ARGV[5])
  -- Sent again after its answer was lost.
  if applied:find(digest, 1, true) then return 'written' end
  if checkChanges(changes, id) then return 'changed' end
  redis.call('HSET', op, 'forward', '1', 'applied', applied .. digest)
end
applyChanges(changes, ask.observed, ask.at)

local notes, noted = addNotes(held[6], held[7], ask.notes)
if #ask.notes > 0 then redis.call('HSET', op, 'notes', notes, 'noted', noted) end
if ask.progress then redis.call('HSET', op, 'progress', ask.progress) end
if ask.metadata then redis.call('HSET', op, 'metadata', ask.metadata) end
redis.call('HSET', op, 'updated', ask.at)
touch(id, ask.at)
emitOperation(id, ask.at)
return cancel and 'cancel' or 'written'
