SELECT origin, date_bin(INTERVAL '1 day', hour_start) AS day_start, max(mean_delay) AS worst_mean_delay, count(*) AS hours
FROM (
  SELECT origin, date_bin(INTERVAL '1 hour', departed) AS hour_start, avg(CAST(delay AS DOUBLE)) AS mean_delay
  FROM flights GROUP BY origin, date_bin(INTERVAL '1 hour', departed)
)
GROUP BY origin, date_bin(INTERVAL '1 day', hour_start)
