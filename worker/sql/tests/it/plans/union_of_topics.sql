-- rows of two topics in one window; the watermark is the least of both
CREATE VIEW events AS
SELECT carrier, departed, delay FROM flights
UNION ALL
SELECT carrier, departed, CAST(NULL AS INT) FROM cancelled;

INSERT INTO totals
SELECT carrier, COUNT(*) - COUNT(delay)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(departed), INTERVAL '1' DAY))
GROUP BY carrier, window_start, window_end;
