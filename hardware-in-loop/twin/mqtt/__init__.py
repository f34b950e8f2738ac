"""Gateways and things that publish under topics of their own, as their makers document them."""
