"""Every kind of mistake is told with its file, its line, and what would be right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from syncd.model.job import JobDefinition

Faults = Callable[..., list[str]]

LONG_NAME = "x" * 129

CASES = {
    "an unknown key": (
        ("    interval:", "    intervall:"),
        'syncd.yaml:14: unknown key "intervall" in jobs.orders: did you mean interval?',
        "syncd.yaml:9: jobs.orders.interval is missing: How often: N MINUTES, HOURS, DAYS or WEEKS, "
        "or HOURLY, DAILY, WEEKLY.",
    ),
    "an unknown key that is like no other": (
        ("databases:", "zzz: 1\ndatabases:"),
        'syncd.yaml:1: unknown key "zzz" in the file: known: databases, jobs, knowledge_bases, limits, server, state, webhooks',
    ),
    "an unknown key of a plugin's options": (
        ("sqlite:///shop.db", "{url: 'sqlite:///shop.db', max_holt: 1 DAY}"),
        'syncd.yaml:2: unknown key "max_holt" in databases.shop: did you mean max_hold?',
    ),
    "an unknown key deep down": (
        ("    interval:", "    deletes:\n      mode: none\n      colum: x\n    interval:"),
        'syncd.yaml:16: unknown key "colum" in jobs.orders.deletes: did you mean column?',
    ),
    "a number where a text is wanted": (
        ("created_at", "2024"),
        "syncd.yaml:13: jobs.orders.filter_column must be text, not a number: put it in quotes",
    ),
    "a text where a list is wanted": (
        ("[product]", "product"),
        "syncd.yaml:12: jobs.orders.content_columns must be a list, such as [a, b], not text",
    ),
    "an empty list": (
        ("[product]", "[]"),
        "syncd.yaml:12: jobs.orders.content_columns must be longer: at least 1 item(s)",
    ),
    "a wrong item of a list": (
        ("[product]", "\n      - product\n      - 5"),
        "syncd.yaml:14: jobs.orders.content_columns[1] must be text, not a number: put it in quotes",
    ),
    "a text where true or false is wanted": (
        ("    interval:", "    enabled: yes\n    interval:"),
        "syncd.yaml:14: jobs.orders.enabled must be true or false, not text",
    ),
    "a text where a whole number is wanted": (
        ("    interval:", "    window_rows: '5'\n    interval:"),
        "syncd.yaml:14: jobs.orders.window_rows must be a whole number, not text",
    ),
    "a number with leading zeros where a number is wanted": (
        ("    interval:", "    window_rows: 010\n    interval:"),
        "syncd.yaml:14: jobs.orders.window_rows must be a whole number, not text",
    ),
    "a number out of its bounds": (
        ("databases:", "server: {port: 65536}\ndatabases:"),
        "syncd.yaml:1: server.port must be at most 65535",
    ),
    "a value that fits neither of two types": (
        ("    interval:", "    initial: 1.5\n    interval:"),
        "syncd.yaml:14: jobs.orders.initial must be text or a whole number, not a number: put it in quotes",
    ),
    "a lookback that is no duration": (
        ("    interval:", "    lookback: 5 MINUTS\n    interval:"),
        "syncd.yaml:14: jobs.orders.lookback: '5 MINUTS' is not a duration: "
        "write N SECONDS, MINUTES, HOURS, DAYS or WEEKS",
    ),
    "an interval that is a time of day": (
        ("10 MINUTES", "12:30"),
        "syncd.yaml:14: jobs.orders.interval: '12:30' is not an interval: "
        "write N MINUTES, HOURS, DAYS or WEEKS, or HOURLY, DAILY, WEEKLY",
    ),
    "a time that is none": (
        ("    interval:", "    start_time: tomorrow\n    interval:"),
        "syncd.yaml:14: jobs.orders.start_time: 'tomorrow' is not a time: write ISO 8601, such as 2026-01-31T00:00:00",
    ),
    "an operator that does not exist": (
        ("    interval:", "    filters:\n      - column: a\n        op: lte\n        value: 1\n    interval:"),
        "syncd.yaml:16: jobs.orders.filters[0].op must be one of eq, ne, lt, le, gt, ge, in, not_in, like, is_null, "
        "not_null; did you mean lt?",
    ),
    "a contradiction inside a mapping": (
        ("    interval:", "    filters:\n      - column: a\n        op: in\n        value: 1\n    interval:"),
        "syncd.yaml:17: jobs.orders.filters[0]: in takes a list of values",
    ),
    "a contradiction between two keys of a job": (
        ("    interval:", "    start_time: 2026-01-02\n    end_time: 2026-01-01\n    interval:"),
        "syncd.yaml:15: jobs.orders: end_time must be later than start_time",
    ),
    "a table without a database": (
        ("shop.orders", "orders"),
        "syncd.yaml:10: jobs.orders.source_table must be of another form: "
        "The table or view to read: `database.table` or `database.schema.table`.",
    ),
    "a job that is no mapping": (
        ("jobs:\n", "jobs:\n  other: 5\n"),
        "syncd.yaml:9: jobs.other must be a mapping of keys to values, not a number",
    ),
    "a section that is no mapping": (
        ("databases:\n  shop: sqlite:///shop.db", "databases: [shop]"),
        "syncd.yaml:1: databases must be a mapping of keys to values: names, each with what it stands for",
        'syncd.yaml:9: there is no database "shop" in databases: none is defined',
    ),
    "limits that are no mapping": (
        ("databases:", "limits: 5\ndatabases:"),
        "syncd.yaml:1: limits must be a mapping of keys to values, not a number",
    ),
    "a limit that is no duration": (
        ("databases:", "limits:\n  min_interval: soon\ndatabases:"),
        "syncd.yaml:2: limits.min_interval: 'soon' is not a duration: write N SECONDS, MINUTES, HOURS, DAYS or WEEKS",
    ),
    "an unknown database": (
        ("shop.orders", "shpo.orders"),
        'syncd.yaml:10: there is no database "shpo" in databases: did you mean shop?',
    ),
    "an unknown knowledge base": (
        ("kb_name: goods", "kb_name: library"),
        'syncd.yaml:11: there is no knowledge base "library" in knowledge_bases: known: goods',
    ),
    "an unknown type of part": (
        ("type: folder", "type: chroma"),
        'syncd.yaml:5: knowledge_bases.goods: there is no knowledge_base type "chroma" (known: folder)',
    ),
    "a type that is a number": (
        ("type: folder", "type: 5"),
        "syncd.yaml:5: knowledge_bases.goods.type must be text",
    ),
    "a part without a type": (
        ("    type: folder\n", ""),
        "syncd.yaml:4: knowledge_bases.goods.type is missing (known: folder)",
    ),
    "a knowledge base without an embedder": (
        ("    embedder: {type: hashing}\n", ""),
        "syncd.yaml:4: knowledge_bases.goods.embedder is missing (known: hashing)",
    ),
    "a part that is no mapping": (
        ("{type: hashing}", "hashing"),
        "syncd.yaml:7: knowledge_bases.goods.embedder must be a mapping of keys to values",
    ),
    "a knowledge base that is no mapping": (
        ("jobs:", "  other: data/kb\njobs:"),
        "syncd.yaml:8: knowledge_bases.other must be a mapping of keys to values, "
        "such as {type: chroma, path: data/kb, ...}",
    ),
    "a database that is a number": (
        ("sqlite:///shop.db", "5"),
        "syncd.yaml:2: databases.shop must be a URL, such as sqlite:///data/shop.db, or a mapping with a url",
    ),
    "a database without a URL": (
        ("sqlite:///shop.db", "{max_hold: 1 DAY}"),
        "syncd.yaml:2: databases.shop.url is missing",
    ),
    "a database's name with a dot": (
        ("  shop:", "  my.shop: sqlite://\n  shop:"),
        'syncd.yaml:2: "my.shop": a database\'s name has no dot, as source_table has them',
    ),
    "a name with a space": (
        ("  orders:", "  my orders:"),
        'syncd.yaml:9: "my orders" is no name: a letter or digit first, then letters, digits, _ . and -, at most 128',
    ),
    "a name that is too long": (
        ("  orders:", f"  {LONG_NAME}:"),
        f'syncd.yaml:9: "{LONG_NAME[:57]}..." is no name: a letter or digit first, then letters, digits, _ . and -, '
        "at most 128",
    ),
    "a state that is no URL": (
        ("databases:", "state: data/syncd.db\ndatabases:"),
        "syncd.yaml:1: state: state must be a URL such as sqlite:///data/syncd.db or postgresql://user@host/name",
    ),
    "a state that is a number": (
        ("databases:", "state: 5\ndatabases:"),
        "syncd.yaml:1: state must be text, not a number: put it in quotes",
    ),
    "an interval under the limit": (
        ("databases:", "limits: {min_interval: 1 HOUR}\ndatabases:"),
        "syncd.yaml:15: 10 MINUTES is shorter than limits.min_interval, 1 HOUR: write a longer one",
    ),
    "a duration over the limit": (
        ("    interval:", "    start_time: 2026-01-01\n    end_time: 2026-02-01\n    interval:"),
        "syncd.yaml:15: end_time is more than limits.max_duration, 30 DAYS, after start_time: "
        "bring them closer, or leave one of them out",
    ),
    "two knowledge bases in one folder": (
        ("jobs:", "  again: {type: folder, path: ./data/../data/kb, embedder: {type: hashing}}\njobs:"),
        "syncd.yaml:8: knowledge base goods is kept in the same folder: give each a path of its own",
    ),
    "a merge key": (
        ("    interval:", "    <<: {enabled: true}\n    interval:"),
        f'syncd.yaml:14: unknown key "<<" in jobs.orders: known: {", ".join(sorted(JobDefinition.model_fields))}',
    ),
}


@pytest.mark.parametrize(("change", "expected"), [(c, list(e)) for c, *e in CASES.values()], ids=list(CASES))
def test_each_mistake_is_told_at_its_line(
    faults_of: Faults, valid: str, change: tuple[str, str], expected: list[str]
) -> None:
    """One mistake gives exactly its own faults, in the order of the lines, and no other."""
    assert change[0] in valid
    assert sorted(faults_of(valid.replace(*change, 1))) == sorted(expected)


def test_all_mistakes_are_told_at_once_and_in_order(faults_of: Faults, valid: str) -> None:
    """Mistakes of the YAML, of variables, of models and of rules come together, sorted by file and line."""
    broken = valid.replace("sqlite:///shop.db", "${URL}").replace("10 MINUTES", "now").replace("goods\n", "god\n", 1)
    broken += "    interval: DAILY\nserver: {prot: 1}\n"
    assert [fault.partition(": ")[0] for fault in faults_of(broken)] == [f"syncd.yaml:{n}" for n in (2, 11, 14, 15, 16)]


def test_more_enabled_jobs_than_allowed_are_refused(faults_of: Faults, valid: str) -> None:
    """The first job beyond the limit is pointed at; disabled jobs do not count."""
    job = valid.partition("  orders:\n")[2]
    more = "".join(f"  job{n}:\n{job.replace('shop.orders', f'shop.t{n}')}" for n in range(2))
    disabled = f"  off:\n{job.replace('shop.orders', 'shop.off')}    enabled: false\n"
    assert faults_of(f"limits: {{max_active_jobs: 2}}\n{valid}{disabled}{more}") == [
        "syncd.yaml:29: there are 3 enabled jobs, and limits.max_active_jobs is 2: "
        "disable some with `enabled: false`, or raise the limit"
    ]


def test_two_jobs_cannot_write_the_same_documents(faults_of: Faults, valid: str) -> None:
    """A second job of the same table and knowledge base is refused, and the first is named."""
    job = valid.partition("  orders:\n")[2]
    assert faults_of(f"{valid}  copy:\n{job}") == [
        "syncd.yaml:16: job orders already syncs shop.orders into goods: "
        "remove one of the two, or give this one another knowledge base"
    ]


def test_a_faulty_value_causes_no_second_fault(faults_of: Faults, valid: str) -> None:
    """What follows from an unset variable or from a faulty database is not told as well."""
    broken = valid.replace("created_at", "${COLUMN}").replace("sqlite:///shop.db", "5")
    assert [fault.partition(": ")[0] for fault in faults_of(broken)] == ["syncd.yaml:2", "syncd.yaml:13"]
