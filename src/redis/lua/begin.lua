-- Takes an operation for one attempt of one worker. A higher fence takes over; the same one only with its token.
-- KEYS[1] prefix
-- ARGV[1] id, [2] fence, [3] token, [4] worker, [5] at
-- Returns {'begun', fields, secret or false} | {'final'} | {'fenced'} | {'unknown'}
local id, fence, token, worker, at = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local op = key('op', id)
local held = redis.call('HMGET', op, 'state', 'fence', 'token', 'started')
if not held[1] then return { 'unknown' } end
if FINAL[held[1]] then return { 'final' } end
local last = tonumber(held[2] or 0)
if fence < last or (fence == last and token ~= held[3]) then return { 'fenced' } end
if fence > last then
  redis.call('HSET', op, 'state', 'running', 'fence', ARGV[2], 'token', token, 'worker', worker, 'updated', at)
  redis.call('HINCRBY', op, 'attempts', 1)
  if not held[4] then redis.call('HSET', op, 'started', at) end
  redis.call('SADD', key('ops', 'running'), id)
  touch(id, at)
  emitOperation(id, at)
end
return { 'begun', redis.call('HGETALL', op), redis.call('GET', key('secret', id)) }
