-- Ends an operation: final state, claims freed, records changed, events out; once.
-- KEYS[1] prefix
-- ARGV[1] id, [2] fence, [3] token
-- ARGV[4] envelope: at, state, err, code, metadata, warnings, undone (JSON each), notes [{id, text (JSON)}],
--   lifecycle [{project, text}], observed (JSON array)
-- ARGV[5] record changes
-- Returns 'ended' | 'cancelling' | 'fenced' | 'changed' | 'final'
local id, ask, changes = ARGV[1], cjson.decode(ARGV[4]), cjson.decode(ARGV[5])
local held = redis.call('HMGET', key('op', id), 'state', 'fence', 'token', 'forward', 'cancel', 'notes', 'noted')
if not held[1] then return 'final' end
local mine = tonumber(held[2]) == tonumber(ARGV[2]) and held[3] == ARGV[3]
-- The same end sent again after its answer was lost.
if FINAL[held[1]] then return mine and held[1] == ask.state and 'ended' or 'final' end
if not mine then return 'fenced' end
if ask.state == 'success' and held[5] and held[4] ~= '1' then return 'cancelling' end
if checkChanges(changes, id) then return 'changed' end
applyChanges(changes, ask.observed, ask.at)
if ask.state ~= 'success' then takeBack(id, ask.at) end
finish(id, ask.state, ask.at, 'err', ask.err, 'code', ask.code, 'metadata', ask.metadata, 'warnings', ask.warnings,
  'undone', ask.undone, 'notes', (addNotes(held[6], held[7], ask.notes)))
emitLifecycle(ask.lifecycle, ask.at)
return 'ended'
