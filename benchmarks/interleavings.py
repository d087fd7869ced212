"""Every order of the steps of two writers and of syncd's polls, on PostgreSQL and MariaDB: does one of them lose a row?

python -m benchmarks.interleavings --only PostgreSQL
"""

from __future__ import annotations

import argparse
import logging
import sys

from tests import services
from tests.fault.cases import Case, Outcome
from tests.fault.interleavings import outcome_of
from tests.fault.writers import HARMLESS, LONG, SEEN, UNSEEN, with_lookback

_SERVERS = {
    "postgres": (services.postgres_server, services.postgres_database),
    "mariadb": (services.mariadb_server, services.mariadb_database),
}


def main() -> int:
    """Run the cases, print a line for each, and fail when one loses a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a text that the case's name has to contain")
    parser.add_argument("--whole", action="store_true", help="also orders that differ only in what nobody could see")
    options = parser.parse_args()
    logging.getLogger("syncd").setLevel(logging.ERROR)
    cases = [case for case in (*SEEN, *HARMLESS, *map(with_lookback, UNSEEN), *LONG) if options.only in case.name]
    print(f"{'case':80} {'orders':>7} {'lost':>5} {'seconds':>8}")
    outcomes: list[Outcome] = []
    for kind, (server, database) in _SERVERS.items():
        mine: list[Case] = [case for case in cases if case.kind == kind]
        if not mine:
            continue
        with server() as running:
            for case in mine:
                with database(running) as url:
                    outcome = outcome_of(case, url.render_as_string(hide_password=False), whole=options.whole)
                outcomes.append(outcome)
                print(
                    f"{case.name:80} {outcome.schedules:7} {len(outcome.lost):5} {outcome.seconds:8.1f}",
                    *outcome.lost[:3],
                    sep="\n  ",
                    flush=True,
                )
    total, lost = sum(item.schedules for item in outcomes), sum(len(item.lost) for item in outcomes)
    print(f"{'all':80} {total:7} {lost:5} {sum(item.seconds for item in outcomes):8.1f}")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
