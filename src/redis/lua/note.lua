-- Writes what a worker did between two steps.
-- KEYS[1] prefix
-- ARGV[1] id, [2] fence, [3] token
-- ARGV[4] envelope: at, note? (JSON), noteId? (attempt and name of the note), progress? (JSON), metadata? (JSON),
--   observed (JSON array)
-- ARGV[5] record changes; with any of them the operation goes only forward from here
-- Returns 'written' | 'cancel' | 'fenced' | 'changed'
local id, ask, changes = ARGV[1], cjson.decode(ARGV[4]), cjson.decode(ARGV[5])
local op = key('op', id)
local held = redis.call('HMGET', op, 'state', 'fence', 'token', 'forward', 'cancel', 'notes', 'noted', 'applied')
if held[1] ~= 'running' or tonumber(held[2]) ~= tonumber(ARGV[2]) or held[3] ~= ARGV[3] then return 'fenced' end
local cancel = held[5] ~= 'null' and held[4] ~= '1'

if #changes > 0 then
  -- A cancel was promised: the point of no return is not passed any more.
  if cancel then return 'cancel' end
  local digest = redis.sha1hex(ARGV[5])
  -- Sent again after its answer was lost.
  if held[8]:find(digest, 1, true) then return 'written' end
  if checkChanges(changes, id) then return 'changed' end
  redis.call('HSET', op, 'forward', '1', 'applied', held[8] .. digest)
end
applyChanges(changes, ask.observed, ask.at)

if ask.note and not held[7]:find('\n' .. ask.noteId .. '\n', 1, true) then
  local notes = held[6] == '' and ask.note or held[6] .. ',' .. ask.note
  redis.call('HSET', op, 'notes', notes, 'noted', held[7] .. '\n' .. ask.noteId .. '\n')
end
if ask.progress then redis.call('HSET', op, 'progress', ask.progress) end
if ask.metadata then redis.call('HSET', op, 'metadata', ask.metadata) end
redis.call('HSET', op, 'updated', ask.at)
touch(id, ask.at)
emitOperation(id, ask.at)
return cancel and 'cancel' or 'written'
