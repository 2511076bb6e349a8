-- Asks for the end of an operation.
-- KEYS[1] prefix
-- ARGV[1] id, [2] cancel (JSON), [3] at, [4] what a pending one says as its error, [5] lifecycle event (JSON, without
--   its project)
-- Returns 'cancelled' | 'asked' | 'refused' | 'final' | 'unknown'
local id, cancel, at = ARGV[1], ARGV[2], ARGV[3]
local op = key('op', id)
local held = redis.call('HMGET', op, 'state', 'cancellable', 'forward', 'cancel', 'project')
if not held[1] then return 'unknown' end
if FINAL[held[1]] then return 'final' end

local function tell()
  local event = cjson.decode(ARGV[5])
  event.project = held[5]
  emitLifecycle({ { project = held[5], text = cjson.encode(event) } }, at)
end

if held[1] == 'pending' then
  -- Nobody has begun, so no worker will end it.
  takeBack(id, at)
  tell()
  finish(id, 'cancelled', at, 'cancel', cancel, 'err', ARGV[4], 'code', 'cancelled')
  return 'cancelled'
end

if held[2] ~= '1' or held[3] == '1' then return 'refused' end
if not held[4] then
  redis.call('HSET', op, 'cancel', cancel, 'updated', at)
  touch(id, at)
  emit('cancel', at, held[5], 'operation', id)
  -- For workers, which need nothing else: everything in the log would wake them all.
  emitTo('cancels', 'cancel', at, held[5], 'operation', id)
  emitOperation(id, at)
  tell()
end
return 'asked'
