"""The simulated outside: a PMS cloud and a payment cloud that answer as the vendors do."""
