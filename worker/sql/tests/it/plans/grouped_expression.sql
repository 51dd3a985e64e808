INSERT INTO totals
SELECT UPPER(carrier) || '!', SUM(delay) FILTER (WHERE delay > 0) + SUM(delay)
FROM TABLE(TUMBLE((SELECT carrier, departed, delay FROM flights), DESCRIPTOR(departed), INTERVAL '1 12:00:00' DAY TO SECOND))
GROUP BY UPPER(carrier), window_start, window_end
