-- A turn that ended because its worker was drained does not count as an attempt.
-- KEYS[1] prefix
-- ARGV[1] id, [2] fence, [3] token
-- Returns 1 when it was this turn's operation, else 0
local op = key('op', ARGV[1])
local held = redis.call('HMGET', op, 'state', 'fence', 'token')
if held[1] ~= 'running' or tonumber(held[2]) ~= tonumber(ARGV[2]) or held[3] ~= ARGV[3] then return 0 end
redis.call('HINCRBY', op, 'attempts', -1)
-- Nobody holds it: the same command sent again finds another token, and the next attempt a lower one.
redis.call('HSET', op, 'token', '')
return 1
