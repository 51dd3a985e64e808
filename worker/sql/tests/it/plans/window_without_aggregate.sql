INSERT INTO by_hour (carrier, hour)
SELECT carrier, window_start
FROM TABLE(HOP(DATA => TABLE flights, TIMECOL => DESCRIPTOR(departed), SLIDE => INTERVAL '30' MINUTE, SIZE => INTERVAL '1' HOUR));
