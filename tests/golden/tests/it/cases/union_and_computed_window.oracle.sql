WITH events AS (
  SELECT carrier, departed, delay FROM flights WHERE origin = 'EWR'
  UNION ALL SELECT origin, departed, NULL FROM flights WHERE delay > 100
)
SELECT carrier, count(*) AS n, count(delay) AS known FROM events
WHERE departed >= TIMESTAMP '1970-01-01 00:00:00'
GROUP BY carrier, date_bin(INTERVAL '6 hours', departed)
