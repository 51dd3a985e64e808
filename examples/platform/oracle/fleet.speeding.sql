-- table positions from ../data/positions.tsv: vehicle STRING, speed DOUBLE, at TIMESTAMP(3)
SELECT vehicle, speed, at FROM positions WHERE speed > 130
