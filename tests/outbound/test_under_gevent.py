"""Does all of this hold for greenlets, as the server's process has them?"""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "file", ["calls", "holds", "http", "names", "streams", "transport"]
)
def test_it_holds_under_gevent(file):
    """Run the tests beside this one in a process that gevent has changed."""
    pytest_there = "from gevent import monkey; monkey.patch_all(); import pytest, sys;"
    run = subprocess.run(
        [
            *(sys.executable, "-c", f"{pytest_there} sys.exit(pytest.main())"),
            *("-q", "-p", "no:cacheprovider", str(HERE / f"test_{file}.py")),
        ],
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
