-- a window over a window: two exchanges
CREATE VIEW hourly AS
SELECT origin, window_start AS hour, window_time AS at, AVG(CAST(delay AS DOUBLE)) AS mean
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR))
GROUP BY origin, window_start, window_end, window_time;

INSERT INTO worst (origin, day, mean)
SELECT origin, window_start, MAX(mean)
FROM TABLE(TUMBLE(TABLE hourly, DESCRIPTOR(at), INTERVAL '1' DAY))
GROUP BY origin, window_start, window_end;
