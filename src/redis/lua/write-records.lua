-- Writes records outside of any operation; all or nothing.
-- KEYS[1] prefix
-- ARGV[1] id of this write
-- ARGV[2] envelope: at, unlessBusy [key], unlessUsed [key], idem {key, fingerprint, ttl, status, location, body}?,
--   lifecycle [{project, text}]
-- ARGV[3] record changes
-- Returns {'written'} | {'repeat', …} | {'busy', …} | {'name-taken', …} | {'changed', …} as accept does
local ask, changes = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
-- Sent again after its answer was lost; a minute is longer than any connection takes to do so.
local done = key('done', ARGV[1])
if redis.call('EXISTS', done) == 1 then return { 'written' } end

local before = earlier(ask.idem)
if before then return before end
for _, name in ipairs(ask.unlessBusy) do
  local owner = ownerOf(name)
  if owner then return owner end
end
for _, name in ipairs(ask.unlessUsed) do
  local user = userOf(name)
  if user then return user end
end
local refused = checkChanges(changes, '')
if refused then return refused end

applyChanges(changes, '[]', ask.at)
if ask.idem then
  keepAnswer(ask.idem, 'status', ask.idem.status, 'location', ask.idem.location, 'body', ask.idem.body)
end
emitLifecycle(ask.lifecycle, ask.at)
redis.call('SET', done, '', 'PX', 60000)
return { 'written' }
