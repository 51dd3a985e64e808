SELECT
  CASE WHEN delay > 60 THEN 'very' WHEN delay > 0 THEN 'late' WHEN delay IS NULL THEN NULL ELSE lower(carrier) END AS a,
  coalesce(CAST(delay AS BIGINT), distance, -1) * 2 AS b,
  air_time / 60 + delay AS c,
  CASE WHEN carrier IS NOT NULL THEN concat(upper(carrier), '-', origin) END AS d,
  CAST(fare * fare AS DECIMAL(22, 4)) AS e,
  delay >= distance AND delay <= 100 AS f,
  CAST(date_part('hour', departed) + date_part('doy', departed) AS BIGINT) AS g,
  date_trunc('hour', departed) + INTERVAL '24 hours' AS h,
  CAST(delay * CAST(1.5 AS DECIMAL(2, 1)) AS DECIMAL(13, 1)) AS i,
  substr(carrier, 2, 3) AS j,
  character_length(btrim(note)) AS k,
  CAST(departed AS DATE) AS l,
  CAST(delay % 7 AS BIGINT) AS m,
  replace(reverse(carrier), 'A', 'xx') AS n
FROM flights
