"""The embedded MQTT broker behind our own admission."""
