-- into carrier STRING; delay INT; departed TIMESTAMP(3)
INSERT INTO `result`
SELECT carrier, delay, departed FROM flights
WHERE (delay > 15 OR delay IS NULL AND origin IN ('EWR', 'JFK')) AND NOT (carrier = 'AA') AND note NOT LIKE '%50!%%' ESCAPE '!'
  AND (distance <> 0 AND 10 / distance > 2 OR distance IS NULL)
