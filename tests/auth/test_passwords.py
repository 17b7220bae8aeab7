"""What a stored password costs to guess. The other tests hash cheaply; this reads the module afresh."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec

from app.auth import passwords


def test_hashes_have_the_cost_that_was_chosen() -> None:
    spec = find_spec(passwords.__name__)
    assert spec is not None and spec.loader is not None
    as_shipped = module_from_spec(spec)
    spec.loader.exec_module(as_shipped)
    for stored in (as_shipped.hash_password("anything"), as_shipped.DUMMY_HASH):
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert as_shipped.needs_rehash(passwords.hash_password("a cheap one"))
