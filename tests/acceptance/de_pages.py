"""The pages of a dashboard, read as a signed-in member reads them: through the API's role."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.rows import dict_row

from support.database import Connection, Database

#: Where an API such as PostgREST cuts every set of rows (`db-max-rows`), without a word.
API_CAP: Final = 1000


class Pages:
    """The campaign page and the details page of one member's browser."""

    def __init__(self, session: Connection) -> None:
        self._session = session

    def campaign(self, campaign: Any) -> dict[str, Any]:
        """The campaign page: one object."""
        row = self._session.execute("select public.campaign_progress(%s)", [campaign]).fetchone()
        assert row is not None
        found: dict[str, Any] = row[0]
        return found

    def details(self, campaign: Any, status: str | None = None) -> Iterator[dict[str, Any]]:
        """The details page, paged to its end: one row per contact."""
        after = 0
        while True:
            with self._session.cursor(row_factory=dict_row) as cursor:
                page = cursor.execute(
                    "select * from public.campaign_entries(%s, %s, %s, %s)",
                    [campaign, status, after, API_CAP],
                ).fetchall()
            yield from page
            if len(page) < API_CAP:
                return
            after = page[-1]["id"]

    def rows_through_a_capped_api(self, query: str, parameters: list[Any]) -> list[Any]:
        """Rows as an API returns them that stops at its cap: PostgREST wraps the query so."""
        return self._session.execute(
            f"with request as ({query}) select * from request limit {API_CAP}",
            parameters,
        ).fetchall()


def open_pages(database: Database, owner: Connection, organization: UUID) -> Pages:
    """Make somebody a viewer of the organization and open the dashboard for him."""
    viewer = uuid4()
    owner.execute("select public.set_member(%s, %s, 'viewer')", [organization, viewer])
    return Pages(database.connect_as("authenticated", viewer))


def assert_the_pages_agree(pages: Pages, campaign: Any) -> Counter[str]:
    """Count the details page and compare it with the campaign page; contacts by status."""
    details = list(pages.details(campaign))
    assert len({row["id"] for row in details}) == len(details)
    assert len({row["recipient"] for row in details}) == len(details)
    by_status = Counter(str(row["status"]) for row in details)
    page = pages.campaign(campaign)
    assert page["total_contacts"] == len(details)
    for status in ("sent", "failed", "skipped", "cancelled", "unknown"):
        assert page[f"total_{status}"] == by_status[status], status
        # The details page under its filter is the same page.
        assert sum(1 for _ in pages.details(campaign, status)) == by_status[status], status
    return by_status
