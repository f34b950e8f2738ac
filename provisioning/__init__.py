"""The installer's commands: discover, pair, commission, report."""
