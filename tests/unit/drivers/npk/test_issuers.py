"""A lock takes new issuers by the root's word only, and forgets them when it says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import LockRefusal
from appliance.kernel.cose import point_of
from appliance.kernel.edicts import ISSUER_S_MAX, IssuerCertificate, sign_issuer
from drivers.npk.codes import Op, Status
from drivers.npk.issuers import ISSUERS_MAX
from support.npk_bench import ROOT, NpkBench, new_key

YEAR_S = 365 * 86_400


@dataclass
class Site:
    """A lock and the papers of its root."""

    bench: NpkBench = field(default_factory=NpkBench)

    def paper(
        self,
        key: ec.EllipticCurvePrivateKey,
        generation: int = 1,
        *,
        root: ec.EllipticCurvePrivateKey = ROOT,
        **changes: Any,
    ) -> bytes:
        facts: dict[str, Any] = {
            "point": point_of(key.public_key()),
            "nbf_s": self.bench.now_s,
            "exp_s": self.bench.now_s + YEAR_S,
            "property_id": "marina",
            "generation": generation,
        } | changes
        return sign_issuer(IssuerCertificate(**facts), root)

    def give(self, paper: bytes) -> int:
        self.bench.wait(60)
        return self.bench.admin().request(Op.ISSUER, paper)[0]

    def opens(self, issuer: ec.EllipticCurvePrivateKey) -> bool:
        self.bench.wait(60)
        return self.bench.press(self.bench.key(issuer=issuer)).done


def test_a_new_box_signs_keys_after_the_root_has_vouched_for_it() -> None:
    site, box = Site(), new_key()
    assert not site.opens(box)
    assert site.give(site.paper(box)) == Status.DONE
    assert site.opens(box)
    site.bench.restart()
    assert site.opens(box)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"root": new_key()}, Status.UNKNOWN_ISSUER),
        ({"property_id": "palace"}, Status.WRONG_DOOR),
        ({"nbf_s": 0, "exp_s": 1_000}, Status.EXPIRED),
    ],
)
def test_a_paper_that_is_not_for_this_lock_is_refused(
    changes: dict[str, Any], wanted: Status
) -> None:
    site, box = Site(), new_key()
    site.bench.lock.body.seen(2_000_000)
    assert site.give(site.paper(box, **changes)) == wanted
    assert not site.opens(box)


def test_a_flipped_bit_makes_no_issuer() -> None:
    site, box = Site(), new_key()
    paper = site.paper(box)
    before = len(site.bench.lock.core.issuers)
    for bit in range(len(paper) * 8):
        bent = bytearray(paper)
        bent[bit // 8] ^= 1 << bit % 8
        assert site.bench.lock.core.take_issuer(bytes(bent)) != Status.DONE
    assert len(site.bench.lock.core.issuers) == before


def test_an_issuer_ends_with_its_paper() -> None:
    site, box = Site(), new_key()
    site.give(site.paper(box, exp_s=site.bench.now_s + 5_000))
    assert site.opens(box)
    site.bench.wait(5_000)
    assert site.bench.press(site.bench.key(issuer=box)).refusal is LockRefusal.UNKNOWN_ISSUER


def test_the_root_ends_issuers_of_old_generations_also_those_given_at_installation() -> None:
    site, old, new = Site(), new_key(), new_key()
    site.give(site.paper(old, 1))
    assert site.opens(old)
    stolen = site.bench.key(issuer=old)
    admin = site.bench.admin()
    assert admin.request(Op.ISSUER, site.paper(new, 2, generation_min=2))[0] == Status.DONE
    assert site.bench.press(stolen).refusal is LockRefusal.UNKNOWN_ISSUER
    assert site.bench.press().refusal is LockRefusal.UNKNOWN_ISSUER
    assert site.opens(new)
    site.bench.restart()
    assert site.opens(new)
    again = site.bench.lock.core.take_issuer(site.paper(old, 1))
    assert again == Status.SUPERSEDED


def test_four_issuers_at_most_and_the_oldest_makes_room() -> None:
    site = Site()
    keys = [new_key() for _ in range(ISSUERS_MAX + 1)]
    core = site.bench.lock.core
    for generation, key in enumerate(keys, 1):
        assert core.take_issuer(site.paper(key, generation)) == Status.DONE
    assert len(core.issuers) == 1 + ISSUERS_MAX
    assert core.take_issuer(site.paper(keys[0], 1)) == Status.SUPERSEDED
    assert core.take_issuer(site.paper(keys[-1], ISSUERS_MAX + 1)) == Status.SUPERSEDED
    longer = site.paper(keys[-1], ISSUERS_MAX + 1, exp_s=site.bench.now_s + YEAR_S + 60)
    assert core.take_issuer(longer) == Status.DONE


def test_a_lock_without_a_root_takes_no_papers() -> None:
    site = Site(NpkBench(identity={"root": None}))
    assert site.give(site.paper(new_key())) == Status.NOT_SUPPORTED


@pytest.mark.parametrize(
    "changes",
    [
        {"exp_s": 5, "nbf_s": 5},
        {"nbf_s": 0, "exp_s": ISSUER_S_MAX + 1},
        {"property_id": ""},
        {"generation_min": 2},
        {"point": bytes(65)},
    ],
)
def test_the_root_cannot_sign_what_a_lock_would_refuse(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Site().paper(new_key(), **changes)
