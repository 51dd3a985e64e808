-- table flights from ../data/flights-2013.csv.gz (header): carrier STRING, flight INT, origin STRING, dest STRING, scheduled TIMESTAMP(3), departed TIMESTAMP(3), delay INT, distance INT
SELECT carrier, flight, origin, dest, departed, delay FROM flights WHERE delay >= 60
