-- Forgets ended operations: those that ended before a time, then the oldest ones over a number.
-- KEYS[1] prefix
-- ARGV[1] before, [2] how many are kept, [3] how many may be removed in this call
-- Returns how many were removed
local ended, most = key('ops', 'ended'), tonumber(ARGV[3])
local ids = redis.call('ZRANGE', ended, '-inf', '(' .. ARGV[1], 'BYSCORE', 'LIMIT', 0, most)
local over = redis.call('ZCARD', ended) - tonumber(ARGV[2])
if over > #ids then ids = redis.call('ZRANGE', ended, 0, math.min(over, most) - 1) end
for _, id in ipairs(ids) do
  local op = key('op', id)
  local held = redis.call('HMGET', op, 'project', 'idem')
  if held[2] and redis.call('HGET', key('idem', held[2]), 'operation') == id then
    redis.call('DEL', key('idem', held[2]))
  end
  redis.call('UNLINK', op)
  redis.call('ZREM', ended, id)
  redis.call('ZREM', key('ops', 'all'), id)
  redis.call('ZREM', key('ops', 'project', held[1] or ''), id)
end
return #ids
