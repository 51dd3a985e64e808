-- into carrier STRING; hour TIMESTAMP(3); n BIGINT; known BIGINT; total BIGINT; mean DOUBLE; least INT; most STRING; paid DECIMAL(38, 2); late BIGINT
INSERT INTO `result`
SELECT carrier, window_start, COUNT(*), COUNT(delay), SUM(delay), AVG(CAST(delay AS DOUBLE)), MIN(delay), MAX(note), SUM(fare),
  COUNT(*) FILTER (WHERE delay > 15)
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR))
WHERE origin <> 'LGA'
GROUP BY carrier, window_start, window_end
HAVING COUNT(*) > 1 OR MIN(delay) > 0
