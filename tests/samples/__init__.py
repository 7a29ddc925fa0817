"""Answers of Salesforce as files: `<resource>/<status>_<case>`.

JSON where Salesforce answers JSON, text where it answers text. The shapes are those
of the Chat REST API Developer Guide and of live servers; ids and names are made up.
"""

from pathlib import Path

SAMPLES = Path(__file__).parent


def sample(name: str) -> bytes:
    """Return the body in the file of this name; `.json` may be left out."""
    path = SAMPLES / name
    return (path if path.suffix else path.with_suffix(".json")).read_bytes()
