SELECT carrier, delay, departed FROM flights
WHERE (delay > 15 OR (delay IS NULL AND origin IN ('EWR', 'JFK'))) AND carrier <> 'AA' AND strpos(note, '50%') = 0
  AND (10 / nullif(distance, 0) > 2 OR distance IS NULL)
