-- Accepts an operation: record, indexes, claims, record changes, idempotency key and first event, or a refusal.
-- KEYS[1] prefix
-- ARGV[1] envelope: id, kind, project, cancellable ('1' or ''), created, names [{noun, scope, name}],
--   busy [{key, mode, action}], made [{noun, uuid}] (records that `changes` creates), changes, idem {key, fingerprint,
--   ttl}?, secret?, metadata? (JSON)
-- ARGV[2] the operation as JSON: large, and quicker beside the envelope than in it
-- ARGV[3] claims: JSON of names, busy and made, kept for the release
-- Returns {'accepted'} | {'repeat', fingerprint, operation, status, location, body} |
--   {'name-taken', noun, scope, name} | {'busy', key, action, operation} | {'changed', noun, uuid}
local ask = cjson.decode(ARGV[1])
local id = ask.id
local op = key('op', id)

-- The same command sent again after its answer was lost.
if redis.call('EXISTS', op) == 1 then return { 'accepted' } end

local before = earlier(ask.idem)
if before then return before end

for _, claim in ipairs(ask.names) do
  if redis.call('HEXISTS', key('names', claim.noun, claim.scope), claim.name) == 1
    or redis.call('HEXISTS', key('resv', claim.noun, claim.scope), claim.name) == 1 then
    return { 'name-taken', claim.noun, claim.scope, claim.name }
  end
end
for _, claim in ipairs(ask.busy) do
  local owner = ownerOf(claim.key)
  if owner then return owner end
  if claim.mode == 'own' then
    local user = userOf(claim.key)
    if user then return user end
  end
end
local refused = checkChanges(ask.changes, id)
if refused then return refused end

-- A field that is not there is 0, empty, null or a list without items.
redis.call('HSET', op, 'rec', ARGV[2], 'kind', ask.kind, 'project', ask.project, 'cancellable', ask.cancellable,
  'state', 'pending', 'epoch', 1, 'updated', ask.created, 'claims', ARGV[3])
if ask.metadata then redis.call('HSET', op, 'metadata', ask.metadata) end
touch(id, ask.created)
redis.call('ZADD', key('ops', 'all'), ask.created, id)
redis.call('ZADD', key('ops', 'project', ask.project), ask.created, id)
for _, claim in ipairs(ask.names) do
  redis.call('HSET', key('resv', claim.noun, claim.scope), claim.name, id)
end
for _, claim in ipairs(ask.busy) do
  if claim.mode == 'own' then
    redis.call('HSET', key('busy'), claim.key, id .. ' ' .. claim.action)
  else
    redis.call('HSET', key('use', claim.key), id, claim.action)
  end
end
if ask.secret then redis.call('SET', key('secret', id), ask.secret) end
if ask.idem then
  redis.call('HSET', op, 'idem', ask.idem.key)
  keepAnswer(ask.idem, 'operation', id)
end
applyChanges(ask.changes, '[]', ask.created)
emit('operation', ask.created, ask.project, 'rec', ARGV[2], 'state', 'pending', 'epoch', 1, 'updated', ask.created,
  'metadata', ask.metadata or 'null')
return { 'accepted' }
