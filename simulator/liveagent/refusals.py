"""With which words does Live Agent refuse, and which rules does it count?"""

from __future__ import annotations

from simulator.answers import text_answer

SESSION_INVALID = text_answer(403, "Session required but was invalid or not found")
INVALID_AFFINITY = text_answer(503, "Invalid Affinity Token")
SERVER_ERROR = text_answer(500, "Internal Server Error")
DUPLICATE_POLL = text_answer(409, "Duplicate long poll on this session")

BREACHES = (
    "missing_header",
    "second_poll",
    "wrong_sequence",
    "duplicate_sequence",
    "post_before_established",
    "post_before_resync",
    "bad_json",
    "unknown_session",
    "wrong_method",
    "unknown_path",
)
