"""A Chatwoot server for tests, the demo and the bench: the real API's pages, types and quirks."""

from tests.vendors.chatwoot.server import ChatwootServer
from tests.vendors.chatwoot.state import Account, State

__all__ = ["Account", "ChatwootServer", "State"]
