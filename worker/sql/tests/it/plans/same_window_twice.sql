-- an aggregate of an aggregate in the same window: rows carry their window
CREATE VIEW per_route AS
SELECT origin, dest, window_start, window_end, COUNT(*) AS n
FROM TABLE(HOP(TABLE flights, DESCRIPTOR(departed), INTERVAL '10' MINUTE, INTERVAL '1' HOUR))
GROUP BY origin, dest, window_start, window_end;

INSERT INTO totals
SELECT origin, MAX(n) FROM per_route GROUP BY origin, window_start, window_end;
