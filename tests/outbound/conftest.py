"""A certificate, servers with and without TLS, and a session that trusts them."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.outbound.http import Caller, Peer
from bridge.outbound.transport import new_session
from tests.outbound.web_server import Server, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate of 127.0.0.1 that only who is told to will trust."""
    if not shutil.which("openssl"):
        pytest.skip("makes the certificate")
    cert = tmp_path_factory.mktemp("ca") / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    subject = ["-subj", "/CN=Nobody", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(cert.with_name("key.pem")), "-out", str(cert)]
    subprocess.run([*make.split(), *subject, *files], check=True, capture_output=True)
    return cert


@pytest.fixture
def plain():
    yield from serving(Server())


@pytest.fixture
def tls(certificate):
    yield from serving(Server(certificate))


@pytest.fixture(params=["plain", "tls"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def session(certificate):
    with new_session(user_agent="Test", ca_bundle=str(certificate)) as session:
        yield session


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def outcomes():
    """Collect what is told of each call: resource, outcome, seconds, whether a read."""
    return []


@pytest.fixture
def noted():
    """Collect the outcomes by which the peer is said to be there."""
    return []


@pytest.fixture
def caller(session, outcomes, noted):
    def count(*about):
        outcomes.append(about)

    return Caller(session, Peer("Salesforce", count, noted.append))
