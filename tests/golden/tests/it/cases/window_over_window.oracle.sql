WITH hourly AS (
  SELECT origin, carrier, date_trunc('hour', departed) AS hour, avg(delay) AS mean
  FROM flights GROUP BY origin, carrier, date_trunc('hour', departed)
)
SELECT origin, date_trunc('day', hour - INTERVAL '6 hours') + INTERVAL '6 hours' AS day, max(mean) AS worst, count(*) AS hours
FROM hourly GROUP BY origin, date_trunc('day', hour - INTERVAL '6 hours')
