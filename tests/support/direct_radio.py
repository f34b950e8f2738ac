"""A zigpy radio without a serial line: packets go straight to the twin's air. For many fault runs.

    class Radio(DirectRadio):
        air = my_air
    app = await Radio.new({"database_path": None, ...}, auto_form=True)

What a stick's own library adds (zigpy-znp sends again on 0xF0 and 0xCD) is not in here, and neither
is a line that can stall: what is judged is zigpy and what stands above it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import zigpy.application
import zigpy.device
import zigpy.endpoint
import zigpy.exceptions
import zigpy.types
import zigpy.zdo.types

from twin.zigbee.network import BROADCAST, Down, Network
from twin.zigbee.zdo import Zdo

if TYPE_CHECKING:
    from twin.zigbee.air import Air
    from twin.zigbee.node import Node

# zigpy's own types are half of them typed; here they are words that go through.
t: Any = zigpy.types
zdo_t: Any = zigpy.zdo.types
IEEE = t.EUI64.convert("00:12:4b:00:0a:0b:0c:0d")
# zigpy-znp waits so long for AF_DATA_CONFIRM.
CONFIRM_S_MAX = 8.0


class DirectRadio(zigpy.application.ControllerApplication):
    """zigpy's coordinator, one function call away from the devices."""

    air: ClassVar[Air]

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.face = Face(self)

    async def connect(self) -> None:
        pass

    async def disconnect(self) -> None:
        self.air.coordinator = None

    async def start_network(self) -> None:
        await self.load_network_info()
        device: Any = self.add_device(self.state.node_info.ieee, t.NWK(0))
        device.node_desc = zdo_t.NodeDescriptor(0, 64, 0x8F, 0, 80, 160, 0x2C00, 160, 0)
        device.manufacturer, device.model = "Twin", "direct"
        endpoint = device.add_endpoint(1)
        endpoint.profile_id, endpoint.device_type = 0x0104, 0x0005
        endpoint.status = zigpy.endpoint.Status.ZDO_INIT
        device.status = zigpy.device.Status.ENDPOINTS_INIT
        self.air.coordinator = self.face

    async def load_network_info(self, *, load_devices: bool = False) -> None:
        if self.face.formed is None:
            raise zigpy.exceptions.NetworkNotFormed
        self.state.network_info, self.state.node_info = self.face.formed

    async def write_network_info(self, *, network_info: Any, node_info: Any) -> None:
        node_info = node_info.replace(ieee=IEEE, nwk=t.NWK(0))
        self.face.formed = (network_info, node_info)
        self.face.counter = int(network_info.network_key.tx_counter)

    async def reset_network_info(self) -> None:
        self.face.formed = None

    async def permit_ncp(self, time_s: int = 60) -> None:
        self.face.permit_until_s = self.air.timers.now() + time_s

    async def permit_with_link_key(self, node: Any, link_key: Any, time_s: int = 60) -> None:
        await self.permit_ncp(time_s)

    async def add_endpoint(self, descriptor: Any) -> None:
        pass

    async def force_remove(self, dev: Any) -> None:
        node = self.air.nodes.get(dev.ieee.serialize())
        if node is not None:
            self.air.leave(node)

    async def send_packet(self, packet: Any) -> None:
        """Returns once the air confirms; raises DeliveryError with its status."""
        data, tsn = packet.data.serialize(), 0
        if packet.dst_ep == 0:
            tsn, data = data[0], data[1:]
        frame = Down(
            nwk=int(packet.dst.address),
            from_endpoint=packet.src_ep or 0,
            endpoint=packet.dst_ep or 0,
            cluster=packet.cluster_id,
            data=data,
            ack=bool(packet.tx_options & t.TransmitOptions.ACK),
            zdo_tsn=tsn,
        )
        if packet.dst.addr_mode != t.AddrMode.NWK or frame.nwk >= BROADCAST:
            self._to_all(packet, frame)
            return
        confirmed = asyncio.get_running_loop().create_future()

        def confirm(status: int) -> None:
            if not confirmed.done():
                confirmed.set_result(status)

        self.air.to_node(frame, confirm)
        async with asyncio.timeout(CONFIRM_S_MAX * self.air.scale):
            status = await confirmed
        if status:
            raise zigpy.exceptions.DeliveryError(f"not delivered: {status:#04x}", status=status)

    def _to_all(self, packet: Any, frame: Down) -> None:
        if frame.cluster == Zdo.MGMT_PERMIT_JOINING and frame.endpoint == 0:
            for node in self.air.nodes.values():
                if node.router:
                    self.air.permit(node, frame.data[0])
        elif packet.dst.addr_mode == t.AddrMode.Group:
            self.air.to_all(frame, frame.nwk)
        else:
            self.air.to_all(frame)


class Face:
    """The side that the air sees (`air.Coordinator`)."""

    up = True
    ieee = IEEE.serialize()

    def __init__(self, app: DirectRadio) -> None:
        self._app = app
        self.formed: tuple[Any, Any] | None = None
        self.permit_until_s = 0.0
        self.counter = 0

    def network(self) -> Network:
        assert self.formed is not None
        info, _ = self.formed
        return Network(
            epid=info.extended_pan_id.serialize(),
            pan=int(info.pan_id),
            channel=int(info.channel),
            key=info.network_key.key.serialize(),
        )

    def joinable(self) -> bool:
        return self._app.air.timers.now() < self.permit_until_s

    def next_counter(self) -> int:
        self.counter += 1
        return self.counter

    def joined(self, node: Node, parent: int) -> None:
        ieee, _ = t.EUI64.deserialize(node.ieee)
        self._app.handle_join(t.NWK(node.address), ieee, t.NWK(parent))

    def gone(self, node: Node) -> None:
        ieee, _ = t.EUI64.deserialize(node.ieee)
        self._app.handle_leave(t.NWK(node.address), ieee)

    def heard_zcl(self, node: Node, endpoint: int, to: int, cluster: int, data: bytes) -> None:
        self._hand_up(node.address, endpoint, to, cluster, data, 0x0104)

    def heard_zdo(self, nwk: int, cluster: int, tsn: int, body: bytes) -> None:
        self._hand_up(nwk, 0, 0, cluster, bytes((tsn,)) + body, 0x0000)

    def _hand_up(
        self, nwk: int, endpoint: int, to: int, cluster: int, data: bytes, profile: int
    ) -> None:
        def short(address: int) -> Any:
            return t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(address))

        self._app.packet_received(
            t.ZigbeePacket(
                src=short(nwk),
                src_ep=endpoint,
                dst=short(0),
                dst_ep=to,
                tsn=data[0],
                profile_id=profile,
                cluster_id=cluster,
                data=t.SerializableBytes(data),
                lqi=180,
                rssi=-50,
            )
        )
