-- table logins from ../data/logins.tsv: account STRING, succeeded BOOLEAN, at TIMESTAMP(3)
SELECT account, window_start, failures
FROM (
  SELECT account, date_bin(INTERVAL '5 minutes', at) AS window_start, count(*) AS failures
  FROM logins WHERE NOT succeeded GROUP BY account, date_bin(INTERVAL '5 minutes', at)
)
WHERE failures >= 3
