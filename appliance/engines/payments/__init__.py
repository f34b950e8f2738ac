"""The payments engine: intents, folios and deposits."""
