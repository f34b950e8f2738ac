"""An announcement of Home Assistant's discovery with its abbreviations written out: pure."""

from __future__ import annotations

from typing import Any, Final

# Home Assistant's own list of abbreviations, as far as these components use it.
ABBREVIATIONS: Final = {
    "act_t": "action_topic",
    "act_tpl": "action_template",
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "bri_cmd_t": "brightness_command_topic",
    "bri_scl": "brightness_scale",
    "bri_stat_t": "brightness_state_topic",
    "bri_val_tpl": "brightness_value_template",
    "cmd_t": "command_topic",
    "cmps": "components",
    "curr_temp_t": "current_temperature_topic",
    "curr_temp_tpl": "current_temperature_template",
    "dev": "device",
    "dev_cla": "device_class",
    "ids": "identifiers",
    "pl_avail": "payload_available",
    "pl_cls": "payload_close",
    "pl_lock": "payload_lock",
    "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off",
    "pl_on": "payload_on",
    "pl_open": "payload_open",
    "pl_unlk": "payload_unlock",
    "p": "platform",
    "stat_closed": "state_closed",
    "stat_jam": "state_jammed",
    "stat_locked": "state_locked",
    "stat_off": "state_off",
    "stat_on": "state_on",
    "stat_open": "state_open",
    "stat_t": "state_topic",
    "stat_unlocked": "state_unlocked",
    "t": "topic",
    "temp_cmd_t": "temperature_command_topic",
    "temp_cmd_tpl": "temperature_command_template",
    "temp_stat_t": "temperature_state_topic",
    "temp_stat_tpl": "temperature_state_template",
    "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}
_NESTED: Final = frozenset({"availability", "components", "device"})


def expand(config: object) -> dict[str, Any] | None:
    """Full names for abbreviations, and `~` for its base topic; None for what is no announcement."""
    if not isinstance(config, dict) or len(config) > 128:
        return None
    full: dict[str, Any] = {
        name: value
        for key, value in config.items()
        if (name := ABBREVIATIONS.get(key, str(key))) in _NESTED
        or not isinstance(value, dict | list)
    }
    device = full.get("device")
    full["device"] = (
        {ABBREVIATIONS.get(key, key): value for key, value in device.items()}
        if isinstance(device, dict)
        else {}
    )
    base = full.pop("~", None)
    if isinstance(base, str):
        for key, value in full.items():
            if isinstance(value, str) and key.endswith("topic"):
                full[key] = _based(value, base)
    availability = full.get("availability")
    entries = availability if isinstance(availability, list) else [availability]
    full["availability"] = [
        {
            long: _based(value, base) if long == "topic" and isinstance(base, str) else value
            for long, value in ((ABBREVIATIONS.get(k, k), v) for k, v in entry.items())
            if isinstance(value, str)
        }
        for entry in entries[:8]
        if isinstance(entry, dict)
    ]
    return full


def _based(value: str, base: str) -> str:
    if value.startswith("~"):
        return base + value[1:]
    return value[:-1] + base if value.endswith("~") else value
