"""Take each guard away, and see the file fail that is named for it.

A guard that can be taken away unnoticed is one that nobody would miss until it is needed.
"""

import pytest

from guards.conftest import PGTAP, Laboratory, passes_untouched
from guards.mutation import Mutation
from guards.table import mutations

MUTATIONS = list(mutations())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.guard for mutation in MUTATIONS])
def test_the_named_file_fails_without_the_guard(laboratory: Laboratory, mutation: Mutation) -> None:
    untouched = passes_untouched(laboratory, mutation.file)
    assert untouched.failed == ()
    assert untouched.error == ""

    with laboratory.database.connect() as connection:
        script = list(mutation.script(connection))
    without = laboratory.run(mutation.file, *script)
    if mutation.raises:
        assert without.failed or "ERROR" in without.error
    else:
        assert without.failed != (), f"nobody noticed; {without.error}"


def test_each_mutation_is_one_of_its_kind() -> None:
    assert len({mutation.guard + mutation.file for mutation in MUTATIONS}) == len(MUTATIONS)


def test_each_mutation_names_a_file_that_exists() -> None:
    missing = {m.file for m in MUTATIONS if not (PGTAP / f"{m.file}.sql").is_file()}
    assert missing == set()
