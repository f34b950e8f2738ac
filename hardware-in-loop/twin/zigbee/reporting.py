"""When a device speaks by itself: the reporting rules of ZCL8 2.5.11."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.zigbee.zcl import General, Header, Value, pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.zigbee.cluster import Cluster
    from twin.zigbee.node import Node
    from twin.zigbee.timers import Timer

# Two reports of one attribute never share an instant, whatever `min_s` says.
TICK_S_MIN = 0.01


@dataclass(slots=True)
class Reporting:
    """What a subscriber asked for: at least `min_s` apart, at most `max_s`, from `change` on."""

    min_s: int
    max_s: int  # 0: only at a change
    change: Value | None = None
    last_value: Value = 0
    last_sent_s: float = 0.0

    def enough(self, value: Value) -> bool:
        """Whether the value has moved far enough to be told."""
        if self.change and not isinstance(value, bytes) and not isinstance(self.last_value, bytes):
            return abs(value - self.last_value) >= float(self.change)
        return value != self.last_value


class Reporter:
    """The reports of one device, with one timer for the next one due."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._timer: Timer | None = None

    def changed(self, cluster: Cluster, attr: int) -> None:
        """An attribute has a new value: report it now, or plan to."""
        reporting = cluster.reporting.get(attr)
        if reporting is None or not reporting.enough(cluster.get(attr)):
            return
        if self._node.timers.now() >= reporting.last_sent_s + reporting.min_s:
            self._report(cluster, attr)
        self.plan()

    def plan(self) -> None:
        """Set the timer to the next report that is due."""
        self.stop()
        due_s = min((self._due_s(c, a, r) for c, a, r in self._all()), default=float("inf"))
        if due_s < float("inf"):
            wait_s = max(TICK_S_MIN, due_s - self._node.timers.now())
            self._timer = self._node.timers.after(wait_s, "zigbee report", self._tick)

    def stop(self) -> None:
        """No reports any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now_s = self._node.timers.now()
        for cluster, attr, reporting in self._all():
            if self._due_s(cluster, attr, reporting) <= now_s + TICK_S_MIN / 2:
                self._report(cluster, attr)
        self.plan()

    def _due_s(self, cluster: Cluster, attr: int, reporting: Reporting) -> float:
        due_s = reporting.last_sent_s + reporting.max_s if reporting.max_s else float("inf")
        if reporting.enough(cluster.get(attr)):
            due_s = min(due_s, reporting.last_sent_s + reporting.min_s)
        return due_s

    def _report(self, cluster: Cluster, attr: int) -> None:
        reporting, known = cluster.reporting[attr], cluster.attrs[attr]
        reporting.last_value, reporting.last_sent_s = known.value, self._node.timers.now()
        header = Header(
            tsn=self._node.next_tsn(), command=General.REPORT, to_client=True, no_default_rsp=True
        )
        frame = (
            header.write() + struct.pack("<HB", attr, known.kind) + pack(known.kind, known.value)
        )
        for target in self._node.bound(cluster.endpoint, cluster.id):
            self._node.send(cluster.endpoint, target, cluster.id, frame)

    def _all(self) -> Iterator[tuple[Cluster, int, Reporting]]:
        for cluster in self._node.clusters():
            for attr, reporting in list(cluster.reporting.items()):
                yield cluster, attr, reporting
