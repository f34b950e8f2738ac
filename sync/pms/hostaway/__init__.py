"""Hostaway: reservations pulled newest change first, desk acts pushed by natural key.

What is promised of it:

| | how |
|---|---|
| a sale is one booking there, whatever answer is lost | `provider` names it ours, our stay id is in `channelReservationId` and the host's note; searched by day of arrival, then among what changed since, before any repeat |
| cash is written down once | our payment id is the charge's title; the charges are listed before every post |
| no change is missed | read back to a mark with an overlap; the front is read again until nothing moved while paging; a row counts by id, `updatedOn` and content |
| two limits at once, no answer 429 | 14 of 15 by address and 19 of 20 by account in 10.3 s, kept over a restart |
| a token is asked for once, waited for, renewed once after a 403 | kept with its deadline; a second 403 is about a right and parks that act alone |
| a door code is there when we say so | written and read back; withdrawn only where we wrote it |

What cannot be promised: Hostaway keeps no check-in, no room of a stay and no no-show, so those are
known to the box alone; boxes behind one address share the 15 and learn of each other by a 429
only; prices are of stays, so a night's share of a booking sold there is the total divided; an
id that both fields lost is told apart by guest, listing and dates.
"""
