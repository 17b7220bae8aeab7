"""Long C calls (password hashing, encoding) without stopping a gevent worker's other requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from gevent import get_hub, monkey

P = ParamSpec("P")
T = TypeVar("T")


def offload(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call in gevent's pool of real threads when the process is patched, else directly.

    The function must not touch the database or the request: it runs outside of this greenlet.
    """
    if monkey.is_module_patched("threading"):
        result: Any = get_hub().threadpool.apply(function, args, kwargs)
        return result
    return function(*args, **kwargs)
