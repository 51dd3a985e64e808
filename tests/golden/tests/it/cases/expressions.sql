-- into a STRING; b BIGINT; c DOUBLE; d STRING; e DECIMAL(22, 4); f BOOLEAN; g BIGINT; h TIMESTAMP(3); i DECIMAL(13, 1); j STRING; k INT; l DATE; m BIGINT; n STRING
INSERT INTO `result`
SELECT
  CASE WHEN delay > 60 THEN 'very' WHEN delay > 0 THEN 'late' WHEN delay IS NULL THEN NULL ELSE LOWER(carrier) END,
  COALESCE(delay, distance, -1) * 2,
  air_time / 60 + delay,
  UPPER(carrier) || '-' || origin,
  fare * fare,
  delay BETWEEN distance AND 100,
  EXTRACT(HOUR FROM departed) + DAYOFYEAR(departed),
  FLOOR(departed TO HOUR) + INTERVAL '1' DAY,
  delay * 1.5,
  SUBSTRING(carrier, 2, 3),
  CHAR_LENGTH(TRIM(note)),
  CAST(departed AS DATE),
  CAST(delay AS BIGINT) % 7,
  REPLACE(REVERSE(carrier), 'A', 'xx')
FROM flights
