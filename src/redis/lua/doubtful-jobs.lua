-- Operations whose job is not in its queue as it was added: most of those that wait are, and need no further look.
-- KEYS[1] prefix
-- ARGV[1] what the key of a job begins with, [2] what is between the member and the operation in it, then ids
-- Returns ids
local doubtful = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local held = redis.call('HMGET', key('op', id), 'rec', 'kind', 'epoch')
  -- Were it another member's name, found in the input, there would be no such job.
  local member = (held[1] or ''):match('"member":"([%w._-]+)"') or ''
  local job = redis.call('HMGET', ARGV[1] .. member .. ARGV[2] .. id, 'timestamp', 'finishedOn', 'data')
  local data = '{"id":"' .. id .. '","kind":"' .. (held[2] or '') .. '","epoch":' .. (held[3] or '') .. '}'
  if not job[1] or job[2] or job[3] ~= data then doubtful[#doubtful + 1] = id end
end
return doubtful
