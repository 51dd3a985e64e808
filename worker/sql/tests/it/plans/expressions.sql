INSERT INTO by_hour
WITH t AS (SELECT *, fare / distance AS per_mile FROM flights)
SELECT
  CASE WHEN delay > 60 THEN 'late' WHEN delay IS NULL THEN '?' ELSE LOWER(carrier) END,
  FLOOR(departed TO HOUR),
  COALESCE(distance, 0) * 2,
  CAST(per_mile AS DOUBLE) + 1e0
FROM t
WHERE carrier IN ('AA', 'UA') AND dest LIKE 'S%' AND NOT (delay = 1 OR delay = 2 OR air_time / 60 > 1.5)
  AND departed < TIMESTAMP '2014-01-01 00:00:00' - INTERVAL '1' DAY;
