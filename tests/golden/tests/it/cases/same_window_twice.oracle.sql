WITH backs AS (
  SELECT INTERVAL '0 hours' AS back UNION ALL SELECT INTERVAL '1 hours' UNION ALL SELECT INTERVAL '2 hours'
), per_carrier AS (
  SELECT carrier, date_trunc('hour', departed) - back AS s, count(*) AS n
  FROM flights CROSS JOIN backs
  GROUP BY carrier, date_trunc('hour', departed) - back
)
SELECT s AS starts, max(n) AS most, count(*) AS groups FROM per_carrier GROUP BY s
