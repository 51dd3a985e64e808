-- table flights from ../data/flights-2013.csv.gz (header): carrier STRING, flight INT, origin STRING, dest STRING, scheduled TIMESTAMP(3), departed TIMESTAMP(3), delay INT, distance INT
SELECT origin, date_bin(INTERVAL '1 day', hour_start) AS day_start, max(mean_delay) AS worst_mean_delay, count(*) AS hours
FROM (
  SELECT origin, date_bin(INTERVAL '1 hour', departed) AS hour_start, avg(CAST(delay AS DOUBLE)) AS mean_delay
  FROM flights GROUP BY origin, date_bin(INTERVAL '1 hour', departed)
)
GROUP BY origin, date_bin(INTERVAL '1 day', hour_start)
