-- the window columns are used before the aggregate, so rows are assigned first
INSERT INTO totals
SELECT carrier, COUNT(*)
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR)) AS f
WHERE f.window_start >= TIMESTAMP '2013-01-01 00:00:00' AND f.delay > 0
GROUP BY carrier, window_start, window_end;
