"""Every request of the adapter fits the vendor's own OpenAPI, field by field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.mews_story import Sent, tell_story
from support.openapi import Contract, contract
from support.prism import merged, running_prism
from support.shared_data import shared_data
from support.sync_bench import sync_bench
from twin.clouds.mews import PREFIX

FILES = [
    "billing",
    "configuration",
    "customers",
    "operations",
    "payments",
    "reservations",
    "resources",
    "services",
]
# What one whole story asks; a new endpoint of the adapter belongs into it.
ASKED = {
    "ageCategories/getAll",
    "commands/getAllActive",
    "commands/getAllByIds",
    "commands/update",
    "configuration/get",
    "customers/add",
    "customers/getAll",
    "orderItems/getAll",
    "payments/addExternal",
    "payments/getAll",
    "rates/getAll",
    "reservations/add",
    "reservations/cancel",
    "reservations/confirm",
    "reservations/getAll/2023-06-06",
    "reservations/process",
    "reservations/start",
    "reservations/update",
    "resourceAccessTokens/add",
    "resourceAccessTokens/delete",
    "resourceAccessTokens/getAll",
    "resourceAccessTokens/update",
    "resourceCategories/getAll",
    "resources/getAll",
    "resources/update",
    "services/getAll",
}


def files() -> list[Path]:
    """The vendor's own."""
    name = "contracts/mews/mews-connector-api-{}-openapi.yml"
    return [shared_data(name.format(one)) for one in FILES]


def contract_of(endpoint: str) -> Contract:
    """The one of the vendor's files that has it."""
    for found in map(contract, files()):
        if found.has(PREFIX + endpoint):
            return found
    raise AssertionError(f"no file of the vendor has {endpoint}")


def example(endpoint: str) -> object:
    """The vendor's own request."""
    resource, *rest = endpoint.lower().split("/")
    name = f"{resource}--{resource}-{'-'.join(rest)}--request.json"
    return json.loads((shared_data("contracts/mews/examples") / name).read_bytes())


def faults(endpoint: str, body: object) -> list[str]:
    vendor = contract_of(endpoint)
    return vendor.faults(vendor.request_of(PREFIX + endpoint), body)


def beyond_their_own(sent: Sent) -> set[str]:
    """Where a request differs from the contract and the vendor's own example does not.

    Some components are mistaken: each of `ReservationUpdates` is to carry the tokens once more.
    """
    found = set(faults(sent.endpoint, sent.body))
    return found - set(faults(sent.endpoint, example(sent.endpoint))) if found else found


async def test_every_request_of_a_whole_story_fits_the_contract(tmp_path: Path) -> None:
    async with sync_bench(tmp_path) as bench:
        sent = await tell_story(bench)
        assert bench.running.report()["parked"] == []
    assert {each.endpoint for each in sent} == ASKED
    for each in sent:
        assert beyond_their_own(each) == set(), each.endpoint


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_a_judge_that_nobody_here_wrote_finds_nothing_either(tmp_path: Path) -> None:
    async with sync_bench(tmp_path) as bench:
        sent = await tell_story(bench)
    spec = merged(files(), {PREFIX + endpoint for endpoint in ASKED})
    async with running_prism(spec, tmp_path) as prism:
        # It does judge: a list without its limitation is no request.
        bare = {"ClientToken": "c", "AccessToken": "a", "Client": "x"}
        assert await prism.judge(PREFIX + "services/getAll", bare)
        for each in sent:
            found = await prism.judge(PREFIX + each.endpoint, each.body)
            if found:
                found -= await prism.judge(PREFIX + each.endpoint, example(each.endpoint))
            assert found == set(), each.endpoint
