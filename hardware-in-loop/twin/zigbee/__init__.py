"""A simulated Zigbee stick with a network behind it: bytes on a serial line, no radio.

In a test, in its own event loop:

    async with site(tmp_path) as here:            # twin.zigbee.site; a PTY, or tcp=True
        app = await ControllerApplication.new({"device": {"path": here.path}, ...})
        lock = Lock("lock-204", 0x00158D0000000001)     # twin.zigbee.devices
        await app.permit(30)
        assert await here.join(lock)              # or near a router: join(lock, parent=plug)
        here.fault(Way.UP, Act.DROP, zcl_command(0x0101, 0x01), times=None)
        ...
        assert here.journal.count("bolt", device="lock-204", to="unlocked") == 1

Devices (`devices.py`): `Lock`, `Trv`, `Leak`, `Contact`, `Motion`, `Plug`, `Weather`, `Light`, `Valve`;
`KINDS` names them. Hands: `lock.lock.keypad("4711")`, `lock.lock.thumb(LOCKED)`,
`leak.zone.sense(on=True)`, `trv.thermostat.turn(2200)`, `plug.load(60.0)`, `valve.relay`.
Bad habits: `lock.lock.lies`, `.motor_s`, `.jammed`, `.pins.applies`, `.pins.memory`,
`.events_use_request_number`, `leak.zone.never_enrols`, `node.answers_interview`, `relay.stuck`.

Trouble on the air (`faults.py`): `Way.DOWN` or `UP`; `Act.DROP`, `DELAY`, `DUPLICATE`, `ACK_LOST`
(delivered, reported failed with `status`), `REFUSE` (never sent), `NO_CONFIRM`. Sleep and range:
`here.air.sleep(node)`, `.wake(node)`, `.seat(node).poll_s`, `.seat(node).away`, `.move(node, parent)`.
The stick: `here.unplug()`, `here.plug()`, `here.plug(here.other_stick())`, `here.hang()`,
`here.port.stall(on=True, flushable=True)`, `here.port.noise(0.1)`, `here.heal()`.

As a process: `nightporter twin stick` (docs/zigbee-twin.md). What it cannot stand for is in there too.
"""
