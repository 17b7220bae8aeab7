"""The vendors that can be read, each told in the same words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.connectors.attio import census as attio_census
from app.connectors.attio import streams as attio
from app.connectors.attio.configured import Configured
from app.connectors.breaker import Breaker
from app.connectors.census import Census, Patience
from app.connectors.chatwoot import census as chatwoot_census
from app.connectors.chatwoot import streams as chatwoot
from app.connectors.connections import Connection
from app.connectors.engine import Reader
from app.connectors.errors import ConnectorError
from app.connectors.linear import census as linear_census
from app.connectors.linear import streams as linear
from config.settings import Settings


@dataclass(frozen=True)
class Vendor:
    """What the rest of the connectors must know of a vendor.

    `open` makes a reader; its third argument is the breaker that calls go through, its last raises when
    the run must stop. `census` lists what there is, through such a reader. `verify` asks the vendor who
    the token is. `check_mapping` raises ConnectorError for a connection's mapping (beside its filters)
    that cannot be used. `filters` are what a connection may be narrowed to. `shown` are the counts that a
    sync's result always has, `processed` those that add up to the run's processed_count, `changes` those
    that mean that what builds on the data must run.
    """

    name: str
    open: Callable[[Connection, Settings, Breaker, Callable[[], None]], Reader]
    census: Callable[[Any, Patience], Census]
    verify: Callable[[Connection, Settings], dict[str, Any]]
    check_mapping: Callable[[dict[str, Any], dict[str, Any]], Any]
    filters: frozenset[str]
    shown: tuple[str, ...]
    processed: tuple[str, ...]
    changes: tuple[str, ...]
    account_pattern: str
    account_hint: str

    def base_url(self, settings: Settings) -> str | None:
        """The vendor's own address, for a vendor that has one."""
        found: str | None = getattr(settings, f"{self.name}_base_url", None)
        return None if self.name in SELF_HOSTED else found


def _no_mapping(mapping: dict[str, Any], filters: dict[str, Any]) -> None:
    if mapping:
        raise ConnectorError("config_missing", "this connector has nothing to map")


# A new connection must name its server: the one in the settings is the installation's.
SELF_HOSTED = frozenset({"chatwoot"})

VENDORS: dict[str, Vendor] = {
    vendor.name: vendor
    for vendor in (
        Vendor(
            "chatwoot",
            open=chatwoot.ChatwootReader.open,
            census=chatwoot_census.census,
            verify=chatwoot.verify,
            check_mapping=_no_mapping,
            filters=frozenset({"inbox_ids"}),
            shown=(
                "processed_conversations",
                "processed_messages",
                "touched_messages",
                "touched_conversations",
                "touched_contacts",
                "touched_inboxes",
                "touched_attachments",
                "deleted_conversations",
                "deleted_contacts",
                "deleted_inboxes",
                "deleted_agents",
                "inserted_chunks",
                "reembedded_chunks",
            ),
            processed=("processed_messages",),
            changes=(
                "touched_messages",
                "touched_conversations",
                "touched_contacts",
                "deleted_conversations",
                "deleted_contacts",
                "inserted_chunks",
                "reembedded_chunks",
            ),
            account_pattern=r"^[0-9]{1,18}$",
            account_hint="the number in the address of a Chatwoot account",
        ),
        Vendor(
            "linear",
            open=linear.LinearReader.open,
            census=linear_census.census,
            verify=linear.verify,
            check_mapping=_no_mapping,
            filters=frozenset({"team_ids", "project_ids"}),
            shown=(
                "processed_issues",
                "touched_projects",
                "touched_states",
                "touched_cycles",
                "touched_issues",
                "touched_comments",
                "deleted_teams",
                "deleted_states",
                "deleted_projects",
                "deleted_cycles",
                "deleted_labels",
                "deleted_issues",
                "deleted_comments",
                "inserted_chunks",
                "reembedded_chunks",
            ),
            processed=("touched_projects", "touched_issues"),
            changes=(
                "touched_projects",
                "touched_issues",
                "touched_comments",
                "deleted_projects",
                "deleted_issues",
                "deleted_comments",
                "inserted_chunks",
                "reembedded_chunks",
            ),
            account_pattern=r"^[0-9A-Za-z-]{8,64}$",
            account_hint="the workspace's id, as `organization { id }` answers it",
        ),
        Vendor(
            "attio",
            open=attio.AttioReader.open,
            census=attio_census.census,
            verify=attio.verify,
            check_mapping=Configured.of,
            filters=frozenset({"objects", "lists"}),
            shown=(
                "touched_accounts",
                "touched_opportunities",
                "touched_people",
                "touched_activities",
                "touched_list_entries",
                "deleted_accounts",
                "deleted_opportunities",
                "deleted_people",
                "deleted_activities",
                "deleted_list_entries",
                "mirrored_crm_accounts",
                "mirrored_crm_opportunities",
                "total_attio_accounts",
                "mirrored_accounts",
                "total_attio_opportunities",
                "mirrored_opportunities",
                "opportunities_without_account_ref",
                "opportunities_unmapped_to_crm_account",
                "inserted_chunks",
                "reembedded_chunks",
            ),
            processed=("touched_accounts", "touched_opportunities"),
            changes=(
                "touched_accounts",
                "touched_opportunities",
                "touched_people",
                "touched_activities",
                "touched_list_entries",
                "deleted_accounts",
                "deleted_opportunities",
                "deleted_people",
                "deleted_activities",
                "deleted_list_entries",
                "mirrored_crm_accounts",
                "mirrored_crm_opportunities",
                "inserted_chunks",
                "reembedded_chunks",
            ),
            account_pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
            account_hint="the id of an Attio workspace, as `GET /v2/self` answers it",
        ),
    )
}
