-- into carrier STRING; n BIGINT; known BIGINT
CREATE VIEW events AS
SELECT carrier, departed, delay FROM flights WHERE origin = 'EWR'
UNION ALL
SELECT origin, departed, CAST(NULL AS INT) FROM flights WHERE delay > 100;

INSERT INTO `result`
SELECT carrier, COUNT(*), COUNT(delay)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(departed), INTERVAL '6' HOUR))
WHERE window_start >= TIMESTAMP '1970-01-01 00:00:00'
GROUP BY carrier, window_start, window_end
