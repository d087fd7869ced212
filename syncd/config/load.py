"""Finds the configuration's files and makes Settings of them, or tells every fault at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from syncd.config.document import Node, Place
from syncd.config.parts import OptionsFor, names, read_databases, read_knowledge_bases
from syncd.config.reader import read
from syncd.config.rules import check_jobs, check_names, check_paths
from syncd.config.secrets import Secrets
from syncd.config.settings import Limits, Server, Settings, Webhooks
from syncd.config.validation import Report, validated
from syncd.config.variables import Variables
from syncd.config.wording import quoted
from syncd.errors import ConfigError, Fault
from syncd.model.job import JobDefinition

S = TypeVar("S", Server, Limits, Webhooks)

FILE = "syncd.yaml"
JOBS_FOLDER = "jobs"
VARIABLE = "SYNCD_CONFIG"


def find(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration to use: the given one, else $SYNCD_CONFIG, ./config, ./syncd.yaml or /etc/syncd.

    Raises:
        ConfigError: there is none in any of these places.
    """
    if explicit is not None:
        return explicit
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    for place in (Path("config"), Path(FILE), Path("/etc/syncd")):
        if place.is_file() or (place / FILE).is_file():
            return place
    raise ConfigError(
        [
            Fault(
                str(Path.cwd()),
                f"no configuration: there is no config/{FILE}, no {FILE} and no /etc/syncd/{FILE}; "
                f"write one with `syncd init`, or name one with --config or {VARIABLE}",
            )
        ]
    )


def load(path: Path, environ: Mapping[str, str], options_for: OptionsFor) -> Settings:
    """Read the configuration.

    Paths in it stay relative to the working directory.

    Args:
        path: a file, or a folder that holds syncd.yaml; a folder jobs/ beside the file is read too.
        environ: the variables that `${NAME}` stands for.
        options_for: the model of a part's options, by kind (source, embedder, chunker, knowledge_base) and type;
            raises a SyncdError that lists the known types for an unknown one.

    Raises:
        ConfigError: all that is wrong, each fault with its file and line.
    """
    secrets = Secrets()
    variables = Variables(environ, secrets)
    faults: list[Fault] = []
    main, job_files = _files(path)
    merged = _Mapping(faults)
    jobs = _Mapping(faults)
    for file in (main, *job_files):
        root, found = read(file, variables, secrets)
        faults += found
        _merge(root, merged, jobs, faults, None if file is main else main)
    merged.put_all("jobs", jobs)
    report = Report(merged.node(Place(str(main), 1)), secrets, faults)
    settings = _settings(report, options_for)
    if settings is None or report.faults:
        raise ConfigError(sorted(report.faults, key=_position))
    return settings.found_at(jobs.places)


def load_jobs(file: Path, environ: Mapping[str, str]) -> Mapping[str, JobDefinition]:
    """Read a file that holds only jobs, as those in the folder jobs/ do; what the jobs name is not looked up.

    Raises:
        ConfigError: all that is wrong, each fault with its line, or that there is no job in it.
    """
    secrets = Secrets()
    root, faults = read(file, Variables(environ, secrets), secrets)
    merged, named = _Mapping(faults), _Mapping(faults)
    _merge(root, merged, named, faults, Path(FILE))
    merged.put_all("jobs", named)
    report = Report(merged.node(Place(str(file), 1)), secrets, faults)
    jobs = _jobs(report, names(report, "jobs"))
    if not (jobs or report.faults):
        report.add((), "holds no job: write jobs: and below it each job's name with what it says")
    if report.faults:
        raise ConfigError(sorted(report.faults, key=_position))
    return jobs


def _files(path: Path) -> tuple[Path, list[Path]]:
    main = path / FILE if path.is_dir() else path
    if not main.exists():
        said = f"holds no {FILE}" if path.is_dir() else "does not exist"
        raise ConfigError([Fault(str(path), f"{said}; write one with `syncd init`, or name another with --config")])
    folder = main.parent / JOBS_FOLDER
    found = [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    return main, sorted(file for file in found if not file.name.startswith("."))


class _Mapping:
    """A mapping that grows out of several files."""

    def __init__(self, faults: list[Fault]) -> None:
        self.nodes: dict[str, Node] = {}
        self._keys: dict[str, Place] = {}
        self._faults = faults

    def put(self, key: str, place: Place, node: Node) -> None:
        if key in self.nodes:
            self._faults.append(Fault(str(place), f"{quoted(key)} is also in {self._keys[key]}: rename or remove one"))
        else:
            self.nodes[key], self._keys[key] = node, place

    def put_all(self, key: str, inner: _Mapping) -> None:
        if key not in self.nodes and inner.nodes:
            place = next(iter(inner._keys.values()))
            self.put(key, place, inner.node(place))

    @property
    def places(self) -> dict[str, str]:
        return {key: str(place) for key, place in self._keys.items()}

    def node(self, place: Place) -> Node:
        return Node(place, self.nodes, self._keys)


def _merge(root: Node | None, merged: _Mapping, jobs: _Mapping, faults: list[Fault], main: Path | None) -> None:
    """Add a file: its jobs to the jobs, and where it is the main one (`main` is None) all else to the merged."""
    if root is None:
        return
    if not isinstance(root.value, dict):
        faults.append(Fault(str(root.place), "must be a mapping of keys to values, such as jobs: {...}"))
        return
    for key, node in root.value.items():
        if key == "jobs" and isinstance(node.value, dict):
            for name, job in node.value.items():
                jobs.put(name, node.keys[name], job)
        elif main is not None and key != "jobs":
            faults.append(
                Fault(str(root.keys[key]), f"{quoted(key)} belongs in {main}: a file in jobs/ holds only jobs")
            )
        elif node.value is not None or node.broken:
            merged.put(key, root.keys[key], node)


def _settings(report: Report, options_for: OptionsFor) -> Settings | None:
    root = report.root
    for key in root.keys:
        if key not in Settings.model_fields:
            report.add_unknown((key,), Settings.model_fields)
    server = _section(report, "server", Server)
    limits = _section(report, "limits", Limits)
    webhooks = _section(report, "webhooks", Webhooks)
    databases = read_databases(report, options_for)
    knowledge_bases = read_knowledge_bases(report, options_for)
    named = names(report, "jobs")
    jobs = _jobs(report, named)
    check_names(report, named)
    check_jobs(report, jobs, limits)
    check_paths(report, knowledge_bases)
    found = {
        "databases": databases,
        "knowledge_bases": knowledge_bases,
        "jobs": jobs,
        "server": server or Server(),
        "limits": limits or Limits(),
        "webhooks": webhooks or Webhooks(),
    }
    state = root.child("state")
    if state is not None:
        found["state"] = state.plain() if state.text is None else state.text
    return validated(report, (), Settings, lambda _: found)


def _jobs(report: Report, named: Iterable[str]) -> dict[str, JobDefinition]:
    found = {}
    for name in named:
        path = ("jobs", name)
        job = validated(report, path, JobDefinition, report.root.reach(path)[0].plain)
        if job is not None:
            found[name] = job
    return found


def _section(report: Report, name: str, model: type[S]) -> S | None:
    node = report.root.child(name)
    return model() if node is None else validated(report, (name,), model, node.plain)


def _position(fault: Fault) -> tuple[str, int]:
    file, _, line = fault.where.rpartition(":")
    return (file, int(line)) if line.isdecimal() else (fault.where, 0)
