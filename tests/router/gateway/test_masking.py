"""What a client may read of an error (threat 24): no SQL, no paths, no addresses; the log has it all."""

import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from router.gateway.masking import mask
from tests.router.gateway.world import world

pytestmark = pytest.mark.anyio


async def test_an_error_of_ours_is_a_reference_outside_and_whole_in_the_log(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        with capture_logs() as lines:
            status, body = await made.graphql("{ broken tenant }")

        assert status == 200
        assert body["data"]["broken"] is None
        (error,) = body["errors"]
        found = re.fullmatch(r"Something went wrong in crm\. Reference: ([0-9a-f]{16})", error["message"])
        assert found
        assert (error["path"], error["extensions"]) == (["broken"], {"code": "INTERNAL", "module": "crm"})
        (line,) = [line for line in lines if line["event"] == "error_masked"]
        assert (line["reference"], line["error"]["message"]) == (found[1], "select secret from vault")


async def test_a_refusal_written_for_clients_passes_without_its_private_extensions(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        _, body = await made.graphql("{ refused }")

        (error,) = body["errors"]
        assert error["message"] == "This needs crm.deal.read."
        assert error["extensions"] == {"code": "FORBIDDEN", "module": "crm"}


async def test_a_module_that_refuses_our_token_is_our_fault_and_not_the_clients(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        made.crm.keys.clear()

        status, body = await made.graphql("{ tenant }")

        assert status == 200
        assert body["errors"][0]["extensions"] == {"code": "INTERNAL", "module": "crm"}
        assert "401" not in body["errors"][0]["message"]


@pytest.mark.parametrize("extensions", [None, {}, "text", {"code": None}, {"code": ["x"]}, {"code": "P0001"}])
def test_an_error_without_a_public_code_is_masked_whatever_its_shape(extensions: object) -> None:
    errors: list[dict[str, object]] = [{"message": "at /srv/app.py", "extensions": extensions, "locations": []}]

    mask(errors, reference="abc")

    assert errors == [{"message": "Something went wrong. Reference: abc", "extensions": {"code": "INTERNAL"}}]
