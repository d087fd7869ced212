"""Jobs: what is kept in step, and how it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, Unpack

from syncd.client.connection import Connection, part
from syncd.client.job_values import (
    BatchResult,
    DeadLetter,
    Dependency,
    Job,
    JobChanges,
    JobHealth,
    JobOptions,
    JobVersion,
    NewJob,
    Watermark,
)
from syncd.client.run_values import ApprovedSweep, BulkTriggered, Run, RunOptions, RunRequest, TriggeredRun

BATCH = 50

Window = Literal["1h", "1d", "7d", "30d"]
Condition = Literal["completed", "failed", "any"]


class Jobs:
    """The jobs of a daemon, by their name or their id (`job_12`). Every call raises as `Connection.ask` does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        status: str | None = None,
        name: str | None = None,
        tag: str | None = None,
        kb_name: str | None = None,
        source_table: str | None = None,
    ) -> Iterator[Job]:
        """Yield the jobs, oldest first, those that have ended too.

        Args:
            status: only those of this status, such as `blocked`.
            name: only the one of this name.
            tag: only those with this tag, written `name=value`.
            kb_name: only those that fill this knowledge base.
            source_table: only those that read this table.
        """
        wanted = {"status": status, "name": name, "tag": tag, "kb_name": kb_name, "source_table": source_table}
        yield from self._connection.pages("/v1/jobs", wanted)

    def get(self, job: str) -> Job:
        """Return one job."""
        found: Job = self._connection.get(_path(job))
        return found

    def create(
        self,
        name: str,
        *,
        source_table: str,
        kb_name: str,
        content_columns: Sequence[str],
        filter_column: str,
        interval: str,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Add a job; its ticks begin at once unless it is disabled.

        Args:
            name: what it is called; no other job may have the name.
            source_table: `database.table` or `database.schema.table`.
            kb_name: the knowledge base to fill.
            content_columns: the columns whose text is embedded.
            filter_column: the column that grows when a row is added or changed.
            interval: how often, such as `10 MINUTES`.
            options: all else that a job may say.
        """
        body = {
            "name": name,
            "source_table": source_table,
            "kb_name": kb_name,
            "content_columns": content_columns,
            "filter_column": filter_column,
            "interval": interval,
            # A new job has no field to take back to its default.
            **{field: value for field, value in options.items() if value is not None},
        }
        made: Job = self._connection.post("/v1/jobs", body)
        return made

    def create_many(self, jobs: Iterable[NewJob]) -> Iterator[BatchResult]:
        """Add jobs, each by itself, and yield what became of each, in order: one that cannot be raises nothing."""
        left = iter(jobs)
        while batch := [*islice(left, BATCH)]:
            yield from self._connection.post("/v1/jobs/batch", {"jobs": batch})["results"]

    def update(self, job: str, /, *, version: int | None = None, **changes: Unpack[JobChanges]) -> Job:
        """Change fields of a job that the API made; null takes one back to its default.

        Args:
            version: the version that the change was made for, so that it overwrites nobody's; None for whichever it is.

        Raises:
            Conflict: a file defines it, or it has another version by now.
        """
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        changed: Job = self._connection.ask("PATCH", _path(job), body=changes, headers=headers)
        return changed

    def delete(self, job: str, *, cancel: bool = False, purge_documents: bool = False) -> None:
        """Delete a job that the API made; its runs stay in the history.

        Args:
            cancel: cancel its live runs first.
            purge_documents: remove its documents from the knowledge base too.

        Raises:
            Conflict: a file defines it, or it has live runs and they are not to be canceled.
        """
        self._connection.ask("DELETE", _path(job), params={"cancel": cancel, "purge_documents": purge_documents})

    def enable(self, job: str) -> Job:
        """Let a job that the API made run by itself again."""
        return self._act(job, "enable")

    def disable(self, job: str) -> Job:
        """Let a job that the API made run no more; a run that goes on is not touched."""
        return self._act(job, "disable")

    def pause(self, job: str) -> Job:
        """Stop a job's ticks until it is resumed, also one from a file; a run that goes on is not touched."""
        return self._act(job, "pause")

    def resume(self, job: str) -> Job:
        """Let a paused job have ticks again; those that were missed become one run."""
        return self._act(job, "resume")

    def clone(self, job: str, name: str, kb_name: str) -> Job:
        """Add a job like this one that fills another knowledge base: disabled, and with nothing read yet."""
        return self._act(job, "clone", {"name": name, "kb_name": kb_name})

    def versions(self, job: str) -> Iterator[JobVersion]:
        """Yield every version of a job's definition, newest first."""
        yield from self._connection.pages(f"{_path(job)}/versions")

    def health(self, job: str, window: Window = "7d") -> JobHealth:
        """Sum up how a job has been doing for some time, and how far it is behind its table now."""
        found: JobHealth = self._connection.get(f"{_path(job)}/health", {"window": window})
        return found

    def dependencies(self, job: str) -> Sequence[Dependency]:
        """Return the jobs that have to run before this one."""
        found: Sequence[Dependency] = self._connection.get(f"{_path(job)}/dependencies")["data"]
        return found

    def add_dependency(self, job: str, upstream: str, condition: Condition = "completed") -> Dependency:
        """Let each run of a job wait until another has run since.

        Args:
            upstream: the job that has to run first.
            condition: how its run must have ended.
        """
        wanted = {"depends_on_job_id": upstream, "condition": condition}
        made: Dependency = self._connection.post(f"{_path(job)}/dependencies", wanted)
        return made

    def remove_dependency(self, job: str, dependency: str) -> None:
        """Let a job wait for another no more, by the dependency's id (`dep_3`)."""
        self._connection.ask("DELETE", f"{_path(job)}/dependencies/{part(dependency)}")

    def watermark(self, job: str) -> Watermark:
        """Return how far a job has read its table."""
        found: Watermark = self._connection.get(f"{_path(job)}/watermark")
        return found

    def reset_watermark(self, job: str, reason: str | None = None) -> Watermark:
        """Let the next run compare the whole table; only what differs is embedded.

        Args:
            reason: why, for the record.
        """
        body = {"value": None} | ({} if reason is None else {"reason": reason})
        found: Watermark = self._connection.ask("PUT", f"{_path(job)}/watermark", body=body)
        return found

    def dead_letters(self, job: str, key: str | None = None) -> Iterator[DeadLetter]:
        """Yield the rows of a job that could not be synced, in the order of their keys.

        Args:
            key: only the one of this key.
        """
        yield from self._connection.pages(f"{_path(job)}/dead-letters", {"key": key})

    def replay(self, job: str, keys: Sequence[str] | None = None) -> Run:
        """Ask for a run that reads the rows of dead letters once more; `Client.runs` waits for it.

        Args:
            keys: of up to 500 of them; None for all.

        Raises:
            NotFound: one of them is no dead letter, or no longer.
        """
        body = {"all": True} if keys is None else {"keys": keys}
        asked: Run = self._connection.post(f"{_path(job)}/dead-letters/replay", body)
        return asked

    def discard(self, job: str, keys: Sequence[str] | None) -> int:
        """Forget dead letters, and return how many; a row that still cannot be synced comes back when it is read next.

        Args:
            keys: of up to 500 of them; None for all.

        Raises:
            NotFound: one of them is no dead letter, or no longer.
        """
        which = {"all": True} if keys is None else {"key": keys}
        told = self._connection.ask("DELETE", f"{_path(job)}/dead-letters", params=which)
        count: int = told["discarded"]
        return count

    def approve(self, job: str) -> ApprovedSweep:
        """Let the sweep of a job that waits remove what it found.

        Raises:
            Conflict: no sweep of the job waits.
        """
        approved: ApprovedSweep = self._connection.post(f"{_path(job)}/approve")
        return approved

    def trigger(
        self, job: str, /, *, idempotency_key: str | None = None, **options: Unpack[RunOptions]
    ) -> TriggeredRun:
        """Ask for a run of a job, and return it; `Client.runs` waits for it.

        Args:
            idempotency_key: the same key within 24 hours is answered with the same run, so that a daemon that is busy
                is asked again; without one it is asked once.
            options: how the run differs from the job's habit.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        run: TriggeredRun = self._connection.ask(
            "POST",
            f"{_path(job)}/trigger",
            body=options,
            headers=headers,
            again=idempotency_key is not None,
        )
        return run

    def trigger_many(self, job: str, requests: Iterable[RunRequest]) -> BulkTriggered:
        """Ask for up to 500 runs of a job: all of them, or none when one of them cannot be."""
        items = [*requests]
        asked: BulkTriggered = self._connection.ask(
            "POST",
            f"{_path(job)}/trigger/bulk",
            body={"items": items},
            again=all("idempotency_key" in item for item in items),
        )
        return asked

    def _act(self, job: str, action: str, body: Mapping[str, Any] | None = None) -> Job:
        changed: Job = self._connection.post(f"{_path(job)}/{action}", body)
        return changed


def _path(job: str) -> str:
    return f"/v1/jobs/{part(job)}"
