"""Do requests leave this process once, and to the right server alone?"""

import shutil
import ssl
import subprocess

import pytest
import requests

from bridge.outbound.transport import new_session
from tests.outbound.web_server import ANSWER, PATIENCE

# Whom to trust


def test_a_server_of_the_given_authority_is_trusted(session, tls):
    assert session.get(tls.url, timeout=PATIENCE).content == ANSWER


def test_the_authorities_may_be_a_folder(certificate, tls, tmp_path):
    name = ["openssl", "x509", "-noout", "-hash", "-in", str(certificate)]
    made = subprocess.run(name, check=True, capture_output=True, text=True)
    shutil.copy(certificate, tmp_path / f"{made.stdout.strip()}.0")
    with new_session(user_agent="Test", ca_bundle=str(tmp_path)) as session:
        assert session.get(tls.url, timeout=PATIENCE).ok


def test_a_server_of_an_unknown_authority_is_refused(tls):
    with (
        new_session(user_agent="Test") as session,
        pytest.raises(requests.exceptions.SSLError, match="self-signed"),
    ):
        session.get(tls.url, timeout=PATIENCE)
    assert tls.seen == []


def test_a_server_of_another_name_is_refused(session, tls):
    url = tls.url.replace("127.0.0.1", "localhost")
    with pytest.raises(requests.exceptions.SSLError, match="mismatch"):
        session.get(url, timeout=PATIENCE)
    assert tls.seen == []


def test_authorities_that_are_not_there_are_not_passed_over(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        new_session(user_agent="Test", ca_bundle=str(tmp_path / "none.pem"))


def test_authorities_are_loaded_once_for_all_connections(
    monkeypatch, certificate, tls, pool
):
    loaded = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context, *arguments, **options):
        loaded.append(context)
        return load(context, *arguments, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", counted)
    tls.holds = True
    with new_session(user_agent="Test", ca_bundle=str(certificate)) as session:
        calls = [pool.submit(session.get, tls.url, timeout=PATIENCE) for _ in range(5)]
        for _ in calls:
            tls.arrived.get(timeout=PATIENCE)
        tls.release.set()
        assert all(call.result(PATIENCE).ok for call in calls)
    assert tls.connections == 5
    assert len(loaded) == 1


# What a session does not do


def test_a_connection_is_kept_and_no_cookie_is(session, server):
    for _ in range(3):
        session.post(server.url, data=b"{}", timeout=PATIENCE)
    assert server.connections == 1
    assert [each.headers["Cookie"] for each in server.seen] == [None] * 3
    assert list(session.cookies) == []


def test_the_environment_names_no_proxy(monkeypatch, session, server):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert session.get(server.url, timeout=PATIENCE).ok


@pytest.mark.parametrize("user_agent", ["Liveagent API", "架け橋/1.0"])
def test_the_user_agent_arrives_byte_for_byte(plain, user_agent):
    with new_session(user_agent=user_agent) as session:
        session.get(plain.url, timeout=PATIENCE)
    arrived = plain.seen[0].headers["User-Agent"]
    assert arrived.encode("latin-1").decode() == user_agent


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_who_is_not_answered_in_time_has_asked_once(session, server, method):
    server.holds = True
    with pytest.raises(requests.ReadTimeout):
        session.request(method, server.url, timeout=(PATIENCE, 0.1))
    server.holds = False
    assert session.get(server.url, timeout=PATIENCE).content == ANSWER
    assert server.methods == [method, "GET"]
    assert server.connections == 2  # the late answer is nobody's


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_who_is_hung_up_on_has_asked_once(session, server, method):
    session.get(server.url, timeout=PATIENCE)
    server.drops = True
    with pytest.raises(requests.ConnectionError):
        session.request(method, server.url, timeout=PATIENCE)
    assert server.methods == ["GET", method]
