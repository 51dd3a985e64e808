CREATE TABLE history (
  carrier STRING NOT NULL,
  departed TIMESTAMP(3),
  tail STRING,
  delay INT,
  WATERMARK FOR departed AS departed - INTERVAL '1' MINUTE
) WITH (
  'connector' = 'filesystem',
  'path' = 'data/flights.csv.gz',
  'format' = 'csv',
  'csv.header' = 'true',
  'csv.null-literal' = 'NA'
);

INSERT INTO stamped (carrier, delay, at)
SELECT carrier, delay, departed FROM history WHERE delay BETWEEN 1 AND 1000;
