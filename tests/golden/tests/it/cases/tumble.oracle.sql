SELECT carrier, date_bin(INTERVAL '1 hour', departed) AS hour, count(*) AS n, count(delay) AS known, sum(delay) AS total, avg(delay) AS mean,
  min(delay) AS least, max(note) AS most, CAST(sum(fare) AS DECIMAL(38, 2)) AS paid, sum(CASE WHEN delay > 15 THEN 1 ELSE 0 END) AS late
FROM flights WHERE origin IN ('EWR', 'JFK')
GROUP BY carrier, date_bin(INTERVAL '1 hour', departed)
HAVING count(*) > 1 OR min(delay) > 0
