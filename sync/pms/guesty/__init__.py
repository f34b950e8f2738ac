"""Guesty: reservations found by list, read by id; desk acts pushed by our own reference.

What is promised of it:

| | how |
|---|---|
| a sale is one booking there, whatever answer is lost | our stay id is `originId` and `confirmationCode`; after a lost answer both lists are searched for it twice, six seconds apart, before it is sent again |
| five tokens a day are enough | kept over restarts with their count and every cool-down; renewed before their end; asked for only when the line answers; a 401 or 403 is checked by one cheap question first |
| another tenant's credentials read nothing | the `accountId` of the token is kept; another one is a person's work |
| three limits at once, no answer 429 | 13/s, 116/min, 4,900/h kept over a restart, corrected by `X-RateLimit-Remaining-*`; new bookings pass what waits |
| no change is missed | the older list's `lastUpdatedAt` with an overlap; pages begin within the page before; a record is what is read by its id; the whole once a day, once a minute while the older list refuses us, and at once when it answers again |
| what a record leaves out is unknown, not empty | taken from what was known of the same booking |
| a record that cannot be read stops nobody | shown with a sentence, fetched again when a person says so |
| a door code is there when we say so | whichever of two doors opens, and read back; withdrawn only where we wrote it |
| cash is written down once | our payment id is the note; the payments are listed before a repeat |

What cannot be promised: while the older list refuses us, and after its end (2027-03-01), what the
newer search hides is found by webhook alone; a changed last day is priced anew by Guesty, whatever was agreed here;
prices are of stays, so a night's share is the total divided; a move here moves the whole stay
there; a booking of a channel other than Vrbo is cancelled in the channel's extranet.
"""
