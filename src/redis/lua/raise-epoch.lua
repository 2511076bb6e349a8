-- Takes an unfinished operation from whoever holds it: a job with the new epoch has a higher fence than any before.
-- KEYS[1] prefix
-- ARGV[1] id, [2] token of the new hold, [3] at
-- Returns the epoch, or nil when there is nothing to hold
local id, token, at = ARGV[1], ARGV[2], ARGV[3]
local op = key('op', id)
local held = redis.call('HMGET', op, 'state', 'epoch', 'token')
if not held[1] or FINAL[held[1]] then return false end
-- Sent again after its answer was lost.
if held[3] == token then return tonumber(held[2]) end
local epoch = tonumber(held[2]) + 1
redis.call('HSET', op, 'epoch', epoch, 'fence', string.format('%.0f', epoch * 1000000), 'token', token, 'updated', at)
touch(id, at)
return epoch
