"""What the box must know to boot: every key, its sentence and its limits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from appliance.kernel.clock import ClockTrust

Port = Annotated[int, Field(ge=0, le=65_535)]
# A queue longer than this hides a fault: at 5,000 commands a second it is 20 s of waiting.
QUEUE_MAX = 100_000
QueueLength = Annotated[int, Field(ge=1, le=QUEUE_MAX)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LogLevel(StrEnum):
    """How much the journal is told."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class BusKind(StrEnum):
    """Which MQTT broker carries the bus."""

    EMBEDDED = "embedded"
    MOSQUITTO = "mosquitto"


class PmsKind(StrEnum):
    """Which booking system the box mirrors."""

    NONE = "none"
    MEWS = "mews"
    HOSTAWAY = "hostaway"
    GUESTY = "guesty"


class PaymentKind(StrEnum):
    """Which payment service takes the charges."""

    NONE = "none"
    STRIPE = "stripe"
    CCAVENUE = "ccavenue"


class BankKind(StrEnum):
    """Which service tells the lines of the property's bank accounts."""

    NONE = "none"
    PLAID = "plaid"


class PropertySettings(_Section):
    """Which property this box is."""

    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="The property's id in keys, topics and backups; never changed once keys exist.",
    )
    name: str = Field(
        min_length=1, max_length=200, description="The property's name as people read it."
    )


class KeysSettings(_Section):
    """Where the master key is, when systemd does not hand it over."""

    master_file: Path | None = Field(
        default=None,
        description="The master key's file (mode 0600); without one, master.key in data_dir. "
        "The systemd credential nightporter-master goes before it.",
    )


class WebSettings(_Section):
    """The web server of guests, desk and console."""

    host: str = Field(description="The address the web server listens on; 0.0.0.0 is all of them.")
    port: Port = Field(description="The port of the web server; 0 takes any free one.")
    tls_certificate_file: Path | None = Field(
        default=None,
        description="The certificate chain (PEM) for HTTPS; without it the server speaks HTTP.",
    )
    tls_key_file: Path | None = Field(
        default=None,
        description="The private key of that certificate (PEM, mode 0600).",
    )
    allowed_hosts: tuple[str, ...] = Field(
        description="The names a browser may call the box by; a request for another is refused.",
    )
    desk_networks: tuple[str, ...] = Field(
        description="The networks of the front desk (CIDR): they see staff names and the health "
        "page, and are not slowed down.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="The address printed on QR codes; without one it is made from host and port.",
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> WebSettings:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("web.tls_certificate_file and web.tls_key_file go together")
        return self


class BusSettings(_Section):
    """The MQTT bus between the box and things."""

    kind: BusKind = Field(
        description="Which broker carries the bus: our own (embedded) or the system's mosquitto.",
    )
    host: str = Field(description="The address the broker listens on, and is found at.")
    port: Port = Field(description="The broker's plain port, for this machine; 0 closes it.")
    tls_host: str = Field(description="The address of the broker's TLS listener, for devices.")
    tls_port: Port = Field(
        description="The broker's TLS port with client certificates; 0 closes it.",
    )
    credentials_file: Path | None = Field(
        default=None,
        description="Who may use the bus; without one, bus-credentials.json in data_dir.",
    )


class PmsSettings(_Section):
    """The booking system in the cloud."""

    kind: PmsKind = Field(description="Which booking system the box mirrors; none works alone.")
    base_url: str = Field(
        pattern=r"^(https?://.+)?$", description="The booking system's address, without a path."
    )
    client_token_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with the token that names this software.",
    )
    access_token_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with the token that names this property.",
    )
    client_id: str = Field(
        default="",
        max_length=200,
        description="The id under which the booking system knows this software or account.",
    )
    client_secret_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with the secret that belongs to client_id.",
    )
    api: str = Field(
        default="",
        pattern=r"^(v3|legacy)?$",
        description="Which generation of the booking system's interface is read, where it has two"
        " (Guesty: v3, or legacy until 2027-03-01); empty is the newer.",
    )
    pull_interval_s: Seconds = Field(
        description="Seconds between two looks for changed bookings.",
    )
    overlap_s: Seconds = Field(
        description="Seconds that each look reaches back before the last, against late changes.",
    )
    door_codes: bool = Field(
        default=False,
        description="Write each guest's door code into their booking there, for its own messages.",
    )
    room_states: bool = Field(
        default=False,
        description="Tell the booking system when a room is dirty, clean, inspected or out of order.",
    )
    stream_url: str = Field(
        default="",
        pattern=r"^(wss?://.+)?$",
        description="Where the booking system tells of changes as they happen (Mews:"
        " wss://ws.mews.com); empty looks for them only, and takes no device commands.",
    )


class PaymentSettings(_Section):
    """The payment service in the cloud."""

    kind: PaymentKind = Field(description="Which payment service takes the charges, if any.")
    base_url: str = Field(
        pattern=r"^(https?://.+)?$", description="The payment service's address, without a path."
    )
    key_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with the payment service's secret key (CCAvenue: the "
        "working key).",
    )
    publishable_key: str = Field(
        default="",
        max_length=255,
        description="Stripe: the public key (pk_...) of the page where guests pay or leave a card.",
    )
    api_url: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="CCAvenue: the address of its interface, beside base_url for its page.",
    )
    merchant_id: str = Field(
        default="", max_length=40, description="CCAvenue: the merchant's number."
    )
    access_code: str = Field(
        default="", max_length=100, description="CCAvenue: the access code of the working key."
    )
    guest_url: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="The address at which guests' browsers reach the pages of sync.",
    )
    pages_host: str = Field(
        default="127.0.0.1", description="The address on which the pages for guests are served."
    )
    pages_port: Port = Field(default=0, description="The port of the pages for guests; 0 is off.")


class BankSettings(_Section):
    """The bank feed in the cloud."""

    kind: BankKind = Field(description="Which service tells the lines of bank accounts, if any.")
    base_url: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="The bank feed's address, without a path.",
    )
    client_id: str = Field(
        default="", max_length=200, description="The id under which the bank feed knows us."
    )
    secret_file: Path | None = Field(
        default=None, description="The file (mode 0600) with the secret that belongs to client_id."
    )
    access_tokens_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with the access token of each bank login, one a line.",
    )


class WebhookSettings(_Section):
    """How each vendor's webhooks prove themselves; a secret a line, two while one is changed."""

    guesty_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with Guesty's signing secrets (whsec_...), one a line.",
    )
    hostaway_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with Hostaway's path and login: TOKEN LOGIN:PASSWORD.",
    )
    mews_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with the tokens in the addresses that Mews was given.",
    )
    stripe_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with Stripe's signing secrets (whsec_...), one a line.",
    )
    relay_url: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="Where webhooks are fetched by a box that the internet cannot reach.",
    )
    relay_pairing_file: Path | None = Field(
        default=None,
        description="The file (mode 0600) with the line that `nightporter relay pair` printed.",
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> WebhookSettings:
        if bool(self.relay_url) != (self.relay_pairing_file is not None):
            raise ValueError(
                "sync.webhooks.relay_url and sync.webhooks.relay_pairing_file go together"
            )
        return self


class FeedSettings(_Section):
    """One calendar feed of a booking channel, read, given, or both."""

    room_type: str = Field(min_length=1, max_length=100)
    room: str | None = Field(default=None, min_length=1, max_length=100)  # its number or its id
    channel: str = Field(default="ical", pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")
    url_file: Path | None = None  # without one nothing is read, the room is only given
    interval_s: Seconds = Field(default=900.0, ge=60)  # channels make their files anew by the hour
    secret_number: int = Field(default=1, ge=1, le=1_000_000)  # another number, another address


# A room has two or three channels, a small house sixty rooms.
FEEDS_MAX = 200
FeedName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class SyncSettings(_Section):
    """What goes to and comes from the clouds."""

    webhook_host: str = Field(description="The address that listens for webhooks.")
    webhook_port: Port = Field(description="The port that listens for webhooks; 0 is off.")
    webhooks: WebhookSettings
    feeds: dict[FeedName, FeedSettings] = Field(
        default={},
        max_length=FEEDS_MAX,
        description="Calendar feeds by name, each [sync.feeds.NAME] with room_type, room, channel, "
        "url_file (mode 0600, the channel's secret address), interval_s and secret_number.",
    )
    pms: PmsSettings
    payments: PaymentSettings
    bank: BankSettings


class ClockSettings(_Section):
    """Whose word about the time is taken."""

    trust: ClockTrust = Field(
        description="Whose time is believed: synchronised (a time service), hardware (also a "
        "battery-backed clock), system (this machine's, whatever it says: a container).",
    )


class TelemetrySettings(_Section):
    """What the box tells about itself, beyond its own screens."""

    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Where traces go (OTLP over HTTP); without one, none are kept.",
    )
    traced_share: float = Field(
        ge=0, le=1, description="The share of requests that are traced, from 0 to 1."
    )


class LimitSettings(_Section):
    """How much may wait before the box says no."""

    door_queue: QueueLength = Field(description="Door commands that may wait for the log.")
    desk_queue: QueueLength = Field(description="Front desk commands that may wait for the log.")
    money_queue: QueueLength = Field(description="Payment commands that may wait for the log.")
    guest_queue: QueueLength = Field(description="Guests' commands that may wait for the log.")
    bulk_queue: QueueLength = Field(description="Imports and backlog that may wait for the log.")
    batch: Annotated[int, Field(ge=1, le=1_000)] = Field(
        description="Commands that share one write to the disk at most.",
    )


class Settings(_Section):
    """Everything read before the log is opened; whatever can change later is a fact in the log."""

    data_dir: Path = Field(description="The folder of the box's databases, keys and backups.")
    run_dir: Path = Field(description="The folder of the sockets between the box's processes.")
    log_level: LogLevel = Field(description="How much the journal is told.")
    site: PropertySettings = Field(alias="property")  # `property` would hide Python's own
    keys: KeysSettings
    web: WebSettings
    bus: BusSettings
    sync: SyncSettings
    clock: ClockSettings
    telemetry: TelemetrySettings
    limits: LimitSettings

    @property
    def log_file(self) -> Path:
        """The one log."""
        return self.data_dir / "log.db"

    @property
    def keys_file(self) -> Path:
        """Everybody's keys."""
        return self.data_dir / "keys.db"

    @property
    def telemetry_file(self) -> Path:
        """Measurements, which may be shed."""
        return self.data_dir / "telemetry.db"

    @property
    def sync_file(self) -> Path:
        """The inbox and effects ledger of sync."""
        return self.data_dir / "sync.db"

    @property
    def blobs_dir(self) -> Path:
        """Sealed files by content."""
        return self.data_dir / "blobs"

    @property
    def floor_file(self) -> Path:
        """The clock's floor."""
        return self.data_dir / "clock.floor"

    @property
    def master_file(self) -> Path:
        """The master key, unless systemd hands it over."""
        return self.keys.master_file or self.data_dir / "master.key"

    @property
    def bus_credentials_file(self) -> Path:
        """Who may use the bus."""
        return self.bus.credentials_file or self.data_dir / "bus-credentials.json"

    @property
    def command_socket(self) -> Path:
        """Where the other roles ask commands and follow the log."""
        return self.run_dir / "command.sock"
