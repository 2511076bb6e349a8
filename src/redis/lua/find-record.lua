-- The record that has a name.
-- KEYS[1] prefix
-- ARGV[1] noun, [2] scope, [3] name
-- Returns {rev, body}, or nil
local uuid = redis.call('HGET', key('names', ARGV[1], ARGV[2]), ARGV[3])
if not uuid then return false end
return redis.call('HMGET', key('rec', ARGV[1], uuid), 'rev', 'body')
