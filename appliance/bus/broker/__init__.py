"""The embedded broker: admission in front, permissions for every message, amqtt behind."""
