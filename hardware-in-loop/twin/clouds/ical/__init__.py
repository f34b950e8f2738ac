"""A booking channel's calendar files, with everything real ones do wrong."""

from twin.clouds.ical.cloud import ICalCloud
from twin.clouds.ical.store import ICalStore, Style, Taken

__all__ = ["ICalCloud", "ICalStore", "Style", "Taken"]
