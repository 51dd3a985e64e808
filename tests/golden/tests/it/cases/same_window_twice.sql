-- into starts TIMESTAMP(3); most BIGINT; groups BIGINT
CREATE VIEW per_carrier AS
SELECT carrier, window_start AS s, window_end AS e, COUNT(*) AS n
FROM TABLE(HOP(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR, INTERVAL '3' HOUR))
GROUP BY carrier, window_start, window_end;

INSERT INTO `result` SELECT s, MAX(n), COUNT(*) FROM per_carrier GROUP BY s, e
