"""Supabase's own advisors on the installed schema."""

import pytest

from schema.conftest import Project
from schema.supabase_cli import SupabaseCli
from support.database import Connection


def above_info(supabase: SupabaseCli, project: Project) -> list[str]:
    """Return what the advisors report as a warning or an error."""
    return [
        f"{advice['level']} {advice['name']}: {advice['detail']}"
        for advice in supabase.advice(project.database.url)
        if advice["level"] != "INFO"
    ]


def test_advisors_report_nothing_above_info(project: Project, supabase: SupabaseCli) -> None:
    supabase.run(project.database.url, "db", "push")
    assert above_info(supabase, project) == []


@pytest.mark.parametrize("major", [17], indirect=True)
@pytest.mark.parametrize("project", ["granted"], indirect=True)
def test_advisors_would_see_an_open_table(
    project: Project, supabase: SupabaseCli, project_connection: Connection
) -> None:
    """Otherwise their silence above would mean nothing."""
    project_connection.execute("create table public.left_open (id integer primary key)")
    project_connection.execute("grant select on public.left_open to anon")
    assert any("left_open" in advice for advice in above_info(supabase, project))
