-- into origin STRING; starts TIMESTAMP(3); ends TIMESTAMP(3); n BIGINT; most DOUBLE
INSERT INTO `result`
SELECT origin, window_start, window_end, COUNT(*), MAX(air_time)
FROM TABLE(HOP(TABLE flights, DESCRIPTOR(departed), INTERVAL '40' MINUTE, INTERVAL '90' MINUTE))
GROUP BY origin, window_start, window_end
