"""Payment providers: each masters the outcome of an intent that the box masters."""
