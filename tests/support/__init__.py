"""What tests stand on: probes, fakes of ports, and a desk to ask at."""
