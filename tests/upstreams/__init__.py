"""Tests of the upstreams, with the contract that all of them are held to."""

import pytest

pytest.register_assert_rewrite("tests.upstreams.contract")


class Killed(BaseException):
    """The process was killed here."""
