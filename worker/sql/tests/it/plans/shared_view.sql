-- one aggregate, two inserts, and a stateless one from the same source
CREATE VIEW hourly AS
SELECT carrier, window_start AS hour, COUNT(*) AS n, AVG(CAST(delay AS DOUBLE)) AS mean
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR))
GROUP BY carrier, window_start, window_end;

INSERT INTO by_hour SELECT carrier, hour, n, mean FROM hourly;
INSERT INTO totals SELECT carrier, n FROM hourly WHERE n > 100;
INSERT INTO names SELECT DISTINCT_NAME FROM (SELECT UPPER(origin) || '-' || dest AS DISTINCT_NAME FROM flights);
