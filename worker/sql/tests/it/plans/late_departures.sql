-- stateless: one chain
INSERT INTO `late-departures`
SELECT carrier, departed, delay
FROM flights
WHERE delay > 15 AND origin <> 'LGA';
