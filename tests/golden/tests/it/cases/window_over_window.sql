-- into origin STRING; day TIMESTAMP(3); worst DOUBLE; hours BIGINT
CREATE VIEW hourly AS
SELECT origin, carrier, window_time AS at, AVG(CAST(delay AS DOUBLE)) AS mean
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR))
GROUP BY origin, carrier, window_start, window_end, window_time;

INSERT INTO `result`
SELECT origin, window_start, MAX(mean), COUNT(*)
FROM TABLE(TUMBLE(TABLE hourly, DESCRIPTOR(at), INTERVAL '1' DAY, INTERVAL '6' HOUR))
GROUP BY origin, window_start, window_end
