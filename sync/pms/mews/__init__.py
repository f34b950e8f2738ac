"""Mews, by its Connector API (cloud.md 1.3 and the vendor's OpenAPI).

Promised: a booking, its room, its life and its money are there once, whatever answer is lost; with
`stream_url` a change there is read here within a second or two, and after a silence everything is
looked for, because the stream replays nothing. Its key cutter's commands cut a key here once, and
never one that is older than 15 minutes. With `door_codes` each reservation has one access token of
ours, the code of its room as it is by now, and none once the key has ended. With `room_states` Mews
hears how a room is.

Not promised: undoing a check-in (a person does it there), a sum in a currency that the property
does not take there, what Mews' own housekeeping says of a room (the box knows better), and cutting
cards: a KeyCutter command makes a PIN and a phone key, however many keys it asks for. Whether Mews
takes negative external payments, and how often its stream pings, is written nowhere: unverified.
"""
