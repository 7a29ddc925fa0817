"""Does the fake keep the promises that it stands for?"""

from collections.abc import Iterator

import pytest

from tests.upstreams.contract import UpstreamContract
from tests.upstreams.fake import FakeSalesforce


class TestFake(UpstreamContract):
    @pytest.fixture(params=[True, False], ids=["renumbers", "keeps numbers"])
    def salesforce(self, request: pytest.FixtureRequest) -> Iterator[FakeSalesforce]:
        salesforce = FakeSalesforce(hold_seconds=1, renumbers=request.param)
        yield salesforce
        salesforce.close()
        assert salesforce.breaches == []
