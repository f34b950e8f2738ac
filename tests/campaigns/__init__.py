"""Long trials of one promise: many random schedules, judged by what both sides hold at the end."""
