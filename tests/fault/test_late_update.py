"""A row that is updated late, on a table where nothing else happens."""

from __future__ import annotations

from pathlib import Path

from tests.engine import Engine
from tests.tables import execute, session
from tests.world import World


def test_an_update_that_commits_late_on_a_quiet_table_is_read(tmp_path: Path, postgres_url: str) -> None:
    """It changes neither how many rows there are nor which is the newest, so a glance cannot see it.

    While the transaction runs the watermark waits below it; the tick that finds it ended must not move the watermark
    past the row without reading it.
    """
    world = World.make(tmp_path, postgres_url)
    world.rewrite(("    window_rows", "    lookback: 0\n    window_rows"))
    world.fill(5, 5)
    with Engine.of(world) as engine, session(postgres_url) as held:
        engine.run()
        held.exec_driver_sql("UPDATE t SET body = 'late', f = 7 WHERE id = 5")
        world.fill(8, 8)
        engine.run()
        held.commit()
        # Longer than the margin of the fence: what was seen before is settled now.
        execute(postgres_url, "SELECT pg_sleep(1.2)")
        engine.run()
        world.fill(9, 9)
        engine.run()
    world.assert_in_step()
