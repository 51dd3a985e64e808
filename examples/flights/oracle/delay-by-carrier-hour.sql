SELECT carrier, date_bin(INTERVAL '1 hour', departed) AS hour_start, count(*) AS departures,
       sum(CASE WHEN delay >= 60 THEN 1 ELSE 0 END) AS late,
       avg(CAST(delay AS DOUBLE)) AS mean_delay, max(delay) AS max_delay
FROM flights GROUP BY carrier, date_bin(INTERVAL '1 hour', departed)
