"""The Friday story: its steps on the desk's screens, the world around them, and its judge."""
