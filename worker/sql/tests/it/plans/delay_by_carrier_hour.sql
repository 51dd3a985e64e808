INSERT INTO by_hour
SELECT carrier, window_start, COUNT(*) AS flights, AVG(CAST(delay AS DOUBLE)) AS mean
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR))
WHERE delay IS NOT NULL
GROUP BY carrier, window_start, window_end
HAVING COUNT(*) > 3;
