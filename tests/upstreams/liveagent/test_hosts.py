"""Is a host that Salesforce names followed, and none that only looks like its own?"""

import pytest

from bridge.upstreams.liveagent.hosts import may_follow
from tests.upstreams.liveagent.client_calls import HOST


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://d.la2.salesforceliveagent.com/chat", None),
        ("https://d.la2.salesforceliveagent.com", None),
        ("https://d.la2.salesforceliveagent.com/chat/rest/?a=b#c", None),
        ("https://D.LA2.SalesforceLiveAgent.COM/chat", None),
        ("https://x.my.salesforcescrt.com/chat", "https://x.my.salesforcescrt.com"),
    ],
)
def test_salesforces_own_hosts_are_followed(url, host):
    expected = host or "https://d.la2.salesforceliveagent.com"
    assert may_follow(HOST, url).lower() == expected


OF_THIS_MACHINE = ["http://127.0.0.1:8100/chat", "http://localhost/chat"]
EVIL = [
    "",
    "None",
    "/chat",
    "//d.la2.salesforceliveagent.com/chat",
    "http://d.la2.salesforceliveagent.com/chat",
    "ftp://d.la2.salesforceliveagent.com/chat",
    "HTTPS://evil.example/chat",
    "https://evil.example/chat",
    "https://evil.example/.salesforceliveagent.com",
    "https://evil.example?.salesforceliveagent.com",
    "https://evil.example#.salesforceliveagent.com",
    "https://evil.example\\.salesforceliveagent.com",
    "https://evil.example%2f.salesforceliveagent.com",
    "https://evil.example:443/.salesforceliveagent.com",
    "https://evilsalesforceliveagent.com/chat",
    "https://salesforceliveagent.com.evil.example/chat",
    "https://d.salesforceliveagent.com.evil.example/chat",
    "https://d.salesforceliveagent.com@evil.example/chat",
    "https://d.salesforceliveagent.com:443@evil.example/chat",
    "https://evil.example@d.salesforceliveagent.com/chat",
    "https://u:p@d.salesforceliveagent.com/chat",
    "https://d.salesforceliveagent.com:8443/chat",
    "https://d.salesforceliveagent.com:/chat",
    "https://d.salesforceliveagent.com\n.evil.example/chat",
    "https://d.salesforceliveagent.com/chat\r\nX: y",
    " https://d.salesforceliveagent.com/chat",
    "https://d.salesforceliveagent.com /chat",
    "https://d.salesforceliveagent.com。evil.example/chat",
    "https://d。salesforceliveagent.com/chat",
    "https://[::1]/chat",
    *OF_THIS_MACHINE,
    "https://169.254.169.254/chat",
]


@pytest.mark.parametrize("url", EVIL)
def test_other_hosts_are_not_followed(url):
    assert may_follow(HOST, url) is None


@pytest.mark.parametrize("ours", ["http://127.0.0.1:8100", "http://localhost"])
def test_a_stand_in_may_name_another_one_on_this_machine(ours):
    url = "http://127.0.0.1:8200/chat"
    assert may_follow(ours, url) == "http://127.0.0.1:8200"
    assert may_follow(ours, "https://localhost/chat") == "https://localhost"


@pytest.mark.parametrize("ours", ["http://127.0.0.1:8100", "http://localhost"])
@pytest.mark.parametrize("url", [url for url in EVIL if url not in OF_THIS_MACHINE])
def test_a_stand_in_may_not_name_any_other(ours, url):
    assert may_follow(ours, url) is None


@pytest.mark.parametrize(
    "ours", ["https://127.0.0.1.example", "https://localhost.example:443"]
)
def test_who_only_looks_like_a_stand_in_is_none(ours):
    assert may_follow(ours, "http://127.0.0.1:8200/chat") is None
