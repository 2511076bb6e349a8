-- Appends a line of the server's log to the log of events.
-- KEYS[1] prefix
-- ARGV[1] at, [2] project, [3] line (JSON)
emit('logging', ARGV[1], ARGV[2], 'line', ARGV[3])
