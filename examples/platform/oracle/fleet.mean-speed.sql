-- table positions from ../data/positions.tsv: vehicle STRING, speed DOUBLE, at TIMESTAMP(3)
SELECT vehicle, window_start, count(*) AS positions, avg(speed) AS mean_speed
FROM (
  SELECT vehicle, speed, date_bin(INTERVAL '5 minutes', at) - INTERVAL '0 minutes' AS window_start FROM positions
  UNION ALL
  SELECT vehicle, speed, date_bin(INTERVAL '5 minutes', at) - INTERVAL '5 minutes' AS window_start FROM positions
  UNION ALL
  SELECT vehicle, speed, date_bin(INTERVAL '5 minutes', at) - INTERVAL '10 minutes' AS window_start FROM positions
)
GROUP BY vehicle, window_start
