-- Put before every script. KEYS[1] is the deployment's prefix with its hash tag; all other keys are built from it.
-- Structured values are JSON texts, stored and passed on as they came: cjson would turn empty arrays into objects.
-- cjson.decode is for envelopes only, whose leaves are strings and small integers; times are decimal strings.
local prefix = KEYS[1]
local LOG_LENGTH = 20000
local FINAL = { success = true, failure = true, cancelled = true }
-- Fields of an operation that are the store's own business.
local PRIVATE = { project = true, kind = true, cancellable = true, token = true, claims = true, noted = true, applied = true,
  idem = true }

local function key(...)
  return prefix .. table.concat({ ... }, ':')
end

-- Appends to a log. `n` counts without holes: a reader that misses a number knows that it missed an entry.
local function emitTo(log, type, at, project, ...)
  local n = redis.call('INCR', key(log, 'n'))
  redis.call('XADD', key(log), 'MAXLEN', '~', LOG_LENGTH, '*', 'n', n, 'type', type, 'at', at, 'project', project, ...)
end

local function emit(...)
  emitTo('log', ...)
end

local function emitOperation(id, at)
  local all, project, public = redis.call('HGETALL', key('op', id)), '', {}
  for i = 1, #all, 2 do
    if all[i] == 'project' then project = all[i + 1] end
    if not PRIVATE[all[i]] then
      public[#public + 1] = all[i]
      public[#public + 1] = all[i + 1]
    end
  end
  emit('operation', at, project, unpack(public))
end

local function emitLifecycle(events, at)
  for _, event in ipairs(events or {}) do
    emit('lifecycle', at, event.project, 'lifecycle', event.text)
  end
end

-- nil, or why the changes cannot be written by operation `op` ('' for none). Writes nothing.
local function checkChanges(changes, op)
  local stored, freed, taken = {}, {}, {}
  for _, change in ipairs(changes) do
    local rec = key('rec', change.noun, change.uuid)
    local held = redis.call('HMGET', rec, 'rev', 'scope', 'name')
    if stored[rec] or tonumber(held[1] or 0) ~= change.rev then
      return { 'changed', change.noun, change.uuid }
    end
    stored[rec] = held
    if held[1] and change.change ~= 'keep' then freed[key('names', change.noun, held[2]) .. '\0' .. held[3]] = true end
  end
  for _, change in ipairs(changes) do
    if change.change == 'put' then
      local names = key('names', change.noun, change.scope)
      local slot = names .. '\0' .. change.name
      local owner = redis.call('HGET', names, change.name)
      local holder = redis.call('HGET', key('resv', change.noun, change.scope), change.name)
      local foreign = owner and owner ~= change.uuid and not freed[slot]
      if taken[slot] or foreign or (holder and holder ~= op and owner ~= change.uuid) then
        return { 'name-taken', change.noun, change.scope, change.name }
      end
      taken[slot] = true
    end
  end
  return nil
end

-- Writes changes that were checked and tells the readers; `observed` is a JSON array.
local function applyChanges(checked, observed, at)
  local changes = {}
  for _, change in ipairs(checked) do
    if change.change ~= 'keep' then changes[#changes + 1] = change end
  end
  if #changes == 0 and observed == '[]' then return end
  for _, change in ipairs(changes) do
    local rec = key('rec', change.noun, change.uuid)
    local held = redis.call('HMGET', rec, 'scope', 'name', 'owner')
    if held[1] then redis.call('HDEL', key('names', change.noun, held[1]), held[2]) end
    if held[3] then redis.call('SREM', key('owned', change.noun, held[3]), change.uuid) end
    if change.change == 'remove' then
      redis.call('DEL', rec)
      redis.call('SREM', key('recs', change.noun), change.uuid)
    end
  end
  local told = {}
  for _, change in ipairs(changes) do
    local head = '{"noun":"' .. change.noun .. '",'
    if change.change == 'put' then
      local rev = change.rev + 1
      redis.call('HSET', key('rec', change.noun, change.uuid), 'body', change.body, 'rev', rev,
        'scope', change.scope, 'name', change.name)
      redis.call('SADD', key('recs', change.noun), change.uuid)
      redis.call('HSET', key('names', change.noun, change.scope), change.name, change.uuid)
      if change.owner ~= '' then
        redis.call('HSET', key('rec', change.noun, change.uuid), 'owner', change.owner)
        redis.call('SADD', key('owned', change.noun, change.owner), change.uuid)
      end
      told[#told + 1] = head .. '"rev":' .. rev .. ',"record":' .. change.body .. '}'
    else
      told[#told + 1] = head .. '"uuid":' .. cjson.encode(change.uuid) .. ',"removed":true}'
    end
  end
  local inv = redis.call('INCR', key('inv'))
  emit('record', at, '', 'inv', inv, 'changes', '[' .. table.concat(told, ',') .. ']', 'observed', observed)
end

-- nil, or what an earlier request with this idempotency key led to.
local function earlier(idem)
  if not idem then return nil end
  local kept = redis.call('HMGET', key('idem', idem.key), 'fingerprint', 'operation', 'status', 'location', 'body')
  if not kept[1] then return nil end
  return { 'repeat', kept[1], kept[2] or '', kept[3] or '', kept[4] or '', kept[5] or '' }
end

local function keepAnswer(idem, ...)
  if not idem then return end
  redis.call('HSET', key('idem', idem.key), 'fingerprint', idem.fingerprint, ...)
  redis.call('PEXPIRE', key('idem', idem.key), idem.ttl)
end

-- nil, or the operation that owns this key.
local function ownerOf(name)
  local held = redis.call('HGET', key('busy'), name)
  if not held then return nil end
  local id, action = held:match('^(%S+) (.*)$')
  return { 'busy', name, action, id }
end

-- nil, or one of the operations that use this key.
local function userOf(name)
  local user = redis.call('HGETALL', key('use', name))
  if not user[1] then return nil end
  return { 'busy', name, user[2], user[1] }
end

-- What an operation has claimed. Damaged ones must not keep it from ending: what they held is found by the sweep.
local function claimsOf(id)
  local read, claims = pcall(cjson.decode, redis.call('HGET', key('op', id), 'claims') or '')
  local function list(name)
    return read and type(claims) == 'table' and type(claims[name]) == 'table' and claims[name] or {}
  end
  return { names = list('names'), busy = list('busy'), made = list('made') }
end

local function release(id)
  local claims = claimsOf(id)
  for _, claim in ipairs(claims.names) do
    local resv = key('resv', claim.noun, claim.scope)
    if redis.call('HGET', resv, claim.name) == id then redis.call('HDEL', resv, claim.name) end
  end
  for _, claim in ipairs(claims.busy) do
    if claim.mode == 'use' then
      redis.call('HDEL', key('use', claim.key), id)
    else
      local owner = ownerOf(claim.key)
      if owner and owner[4] == id then redis.call('HDEL', key('busy'), claim.key) end
    end
  end
  redis.call('DEL', key('secret', id))
  redis.call('HDEL', key('op', id), 'claims', 'noted', 'applied')
end

-- The one way an operation ends: state, indexes, claims, counter and event.
local function finish(id, state, at, ...)
  local op = key('op', id)
  redis.call('HSET', op, 'state', state, 'ended', at, 'updated', at, ...)
  redis.call('ZREM', key('ops', 'open'), id)
  redis.call('SREM', key('ops', 'running'), id)
  redis.call('ZADD', key('ops', 'ended'), at, id)
  redis.call('HINCRBY', key('counts'), redis.call('HGET', op, 'kind') .. ':' .. state, 1)
  release(id)
  emitOperation(id, at)
end

-- Records that the accept script made for an operation (leases) and that stay only if it succeeds. Before its `finish`.
local function takeBack(id, at)
  local made = {}
  for _, record in ipairs(claimsOf(id).made) do
    if redis.call('HGET', key('rec', record.noun, record.uuid), 'rev') == '1' then
      made[#made + 1] = { change = 'remove', noun = record.noun, uuid = record.uuid, rev = 1 }
    end
  end
  applyChanges(made, '[]', at)
end

-- The notes of an operation and which there are, with those among `new` ({id, text} each) that are not there yet.
local function addNotes(notes, noted, new)
  notes, noted = notes or '', noted or ''
  for _, note in ipairs(new) do
    local id = '\n' .. note.id .. '\n'
    if not noted:find(id, 1, true) then
      notes = notes == '' and note.text or notes .. ',' .. note.text
      noted = noted .. id
    end
  end
  return notes, noted
end

local function touch(id, at)
  redis.call('ZADD', key('ops', 'open'), at, id)
end
