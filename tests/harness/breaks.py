"""Connections to the database that break when, or before, all has been carried out."""

from collections.abc import Callable
from typing import Any

from django.db.utils import OperationalError

from bridge.storage import database

Run = Callable[..., Any]


def break_connections(
    *,
    after: bool,
    of: Run | None = None,
    then: Callable[[], object] = lambda: None,
) -> Callable[[], None]:
    """Have a connection break at each transaction, once it is carried out or before.

    With `of`, only at the first one that this function is. `then` happens between the
    break and the repetition. Returns what lets connections be.
    """
    sound = database._with_new_connection
    left = [of]

    def with_breaks(run: Run, *args: Any, **kwargs: Any) -> Any:
        breaks = of is None or (left == [of] and of in (run, *args[:1]))
        if breaks:
            left.clear()

        def once_broken(*args: Any, **kwargs: Any) -> Any:
            nonlocal breaks
            breaks, is_broken = False, breaks
            result = run(*args, **kwargs) if after or not is_broken else None
            if is_broken:
                then()
                raise OperationalError("the connection broke")
            return result

        return sound(once_broken, *args, **kwargs)

    def mend() -> None:
        database._with_new_connection = sound

    database._with_new_connection = with_breaks
    return mend
