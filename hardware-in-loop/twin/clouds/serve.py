"""The clouds on real sockets behind one line, for the twin's process and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from appliance.kernel.clock import Clock
from appliance.kernel.tasks import Nursery
from twin.clouds.inprocess import InProcess
from twin.clouds.mews import MewsCloud, MewsStore
from twin.clouds.stripe import StripeCloud, StripeStore
from twin.clouds.wire import Cloud, Shell
from twin.journal import Journal
from twin.line import Line

# Where the clouds are for calls in process; these names exist nowhere else.
PMS_IN_PROCESS = "https://pms.twin"
PAYMENTS_IN_PROCESS = "https://payments.twin"


def in_process_url(name: str) -> str:
    """Where one of the `others` is for calls in process."""
    return f"https://{name}.twin"


# Long enough to end a connection in order, short enough that a test does not notice.
SHUTDOWN_S = 0.1


@dataclass(slots=True, kw_only=True)
class Clouds:
    """The simulated outside of one property.

    `pms_url`, `payments_url` and `urls` (of the `others`, by name) lead through the line and are
    empty when nothing listens.
    """

    mews: MewsCloud
    stripe: StripeCloud
    line: Line
    clock: Clock
    pms_url: str = ""
    payments_url: str = ""
    others: Mapping[str, Cloud] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    _shells: list[tuple[Shell, web.AppRunner]]

    def in_process(self) -> InProcess:
        """The same without sockets, at PMS_IN_PROCESS, PAYMENTS_IN_PROCESS, in_process_url()."""
        clouds: dict[str, Cloud] = {
            PMS_IN_PROCESS: self.mews,
            PAYMENTS_IN_PROCESS: self.stripe,
            **{in_process_url(name): cloud for name, cloud in self.others.items()},
        }
        return InProcess(clouds, self.line, self.clock)

    async def close(self) -> None:
        """Stop the servers and the line."""
        self.line.close()
        for shell, runner in self._shells:
            shell.let_go()
            await runner.cleanup()
        self._shells.clear()


def build(
    journal: Journal,
    clock: Clock,
    line: Line,
    *,
    mews_store: MewsStore | None = None,
    stripe_store: StripeStore | None = None,
    others: Mapping[str, Cloud] | None = None,
) -> Clouds:
    """The clouds without sockets; `others` are further vendors by name."""
    return Clouds(
        mews=MewsCloud(clock, journal, mews_store),
        stripe=StripeCloud(clock, journal, stripe_store),
        line=line,
        clock=clock,
        others=dict(others or {}),
        _shells=[],
    )


async def serve(  # noqa: PLR0913 - what a role is built of, by name
    journal: Journal,
    clock: Clock,
    line: Line,
    nursery: Nursery,  # noqa: ARG001 - servers may come to need tasks of their own
    host: str = "127.0.0.1",
    *,
    mews_store: MewsStore | None = None,
    stripe_store: StripeStore | None = None,
    others: Mapping[str, Cloud] | None = None,
) -> Clouds:
    """Every cloud on a free port of this host, reached through the line."""
    clouds = build(
        journal, clock, line, mews_store=mews_store, stripe_store=stripe_store, others=others
    )
    named: dict[str, Cloud] = {"pms": clouds.mews, "payments": clouds.stripe, **clouds.others}
    for name, cloud in named.items():
        shell = Shell(cloud)
        runner = web.AppRunner(shell.app(), access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        clouds._shells.append((shell, runner))  # noqa: SLF001 - its own builder
        await web.TCPSite(runner, host, 0).start()
        port = line.add(name, host, runner.addresses[0][1], host)
        clouds.urls[name] = f"http://{host}:{port}"
    clouds.pms_url, clouds.payments_url = clouds.urls.pop("pms"), clouds.urls.pop("payments")
    return clouds
