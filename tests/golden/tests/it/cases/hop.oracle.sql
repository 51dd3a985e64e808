WITH backs AS (
  SELECT INTERVAL '0 minutes' AS back UNION ALL SELECT INTERVAL '40 minutes' UNION ALL SELECT INTERVAL '80 minutes' UNION ALL SELECT INTERVAL '120 minutes'
), candidates AS (
  SELECT *, date_bin(INTERVAL '40 minutes', departed) - back AS starts FROM flights CROSS JOIN backs
)
SELECT origin, starts, starts + INTERVAL '90 minutes' AS ends, count(*) AS n, max(air_time) AS most
FROM candidates WHERE departed < starts + INTERVAL '90 minutes' GROUP BY origin, starts
