-- table flights from ../data/flights-2013.csv.gz (header): carrier STRING, flight INT, origin STRING, dest STRING, scheduled TIMESTAMP(3), departed TIMESTAMP(3), delay INT, distance INT
SELECT carrier, date_bin(INTERVAL '1 hour', departed) AS hour_start, count(*) AS departures,
       sum(CASE WHEN delay >= 60 THEN 1 ELSE 0 END) AS late,
       avg(CAST(delay AS DOUBLE)) AS mean_delay, max(delay) AS max_delay
FROM flights GROUP BY carrier, date_bin(INTERVAL '1 hour', departed)
