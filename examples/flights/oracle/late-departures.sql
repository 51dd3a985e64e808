SELECT carrier, flight, origin, dest, departed, delay FROM flights WHERE delay >= 60
