"""The floor of every role: log, messages, clock, tasks, settings, secrets."""
