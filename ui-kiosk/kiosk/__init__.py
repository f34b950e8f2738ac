"""The front desk in a terminal, over the API only."""
