"""A Bluetooth controller on the virtual air: bumble's, with the gaps closed that tests fall into."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bumble import hci
from bumble.controller import Controller, LegacyAdvertiser

if TYPE_CHECKING:
    from twin.ble.air import Air

# Legacy advertising intervals are counted in 0.625 ms; bumble takes the number for milliseconds.
INTERVAL_UNIT_MS = 0.625


class VirtualController(Controller):
    """One radio chip. `powered` off: it neither sends nor hears, as an adapter that was pulled."""

    def __init__(self, name: str, *, air: Air, **more: Any) -> None:
        super().__init__(name, link=air, **more)
        self.air = air
        self.gone = False
        self.hung = False
        self.le_legacy_advertiser = _Advertiser(self)

    def on_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """From the host. A hung chip takes everything and does nothing."""
        if not self.hung and not self.gone:
            super().on_hci_packet(packet)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """To the host, each report with a strength of its own.

        bumble's is a constant, and BlueZ from 5.8 on says nothing of an advertiser that never
        changes.
        """
        if self.hung or self.gone:
            return
        if isinstance(
            packet,
            hci.HCI_LE_Advertising_Report_Event | hci.HCI_LE_Extended_Advertising_Report_Event,
        ):
            for report in packet.reports:
                report.rssi = self.air.strength()
        super().send_hci_packet(packet)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Give up the pending attempt; bumble leaves it pending, and every later one fails."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        asyncio.get_running_loop().call_soon(
            self.send_hci_packet,
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            ),
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def link_lost(self, peer: hci.Address, reason: int) -> None:
        """The link to that peer is no more: both hosts are told by their own controller."""
        if (connection := self.le_connections.get(peer)) is not None:
            self.on_le_disconnected(connection, reason)

    def vanish(self, supervision_s: float) -> None:
        """The host died or the chip was pulled: peers notice after their supervision timeout."""
        if self.gone:
            return
        self.le_legacy_advertiser.stop()
        for advertising_set in self.advertising_sets.values():
            advertising_set.stop()
        loop = asyncio.get_running_loop()
        for connection in list(self.le_connections.values()):
            peer = self.air.other_end(connection.peer_address, self)
            if peer is not None:
                loop.call_later(
                    supervision_s,
                    peer.link_lost,
                    connection.self_address,
                    hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR,
                )
        self.le_connections.clear()
        self.gone = True
        self.air.remove_controller(self)


class _Advertiser(LegacyAdvertiser):
    """Legacy advertising at the interval that was asked for."""

    def _on_timer_fired(self) -> None:
        self.send_advertising_data()
        interval_s = self.advertising_interval_min * INTERVAL_UNIT_MS / 1_000
        self.timer_handle = asyncio.get_running_loop().call_later(interval_s, self._on_timer_fired)
