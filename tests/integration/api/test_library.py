"""Knowledge bases are made, kept, shown and removed through the API."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import TransientError
from syncd.model.access import Scope
from syncd.model.record import Chunk, Document, Fingerprint
from tests.embedding_server import embedding_server
from tests.integration.api.shelf import Shelf, shelf

HASHING = {"type": "hashing", "dimension": 32}
CANARY = "hunter2-canary"


def fill(opened: Shelf, name: str, text: str = "a red bicycle") -> None:
    """Put a document into a knowledge base."""
    with opened.parts.target(name) as target:
        [vector] = target.embedder.embed([text])
        chunk = Chunk(text, tuple(vector.tolist()))
        target.knowledge_base.upsert([Document("shop.t:1", (chunk,), {}, Fingerprint("c" * 32, "m" * 32))])


def faults(answer: Any) -> dict[str, str]:
    """The faults of a request by their field."""
    assert answer.status_code == 422, answer.text
    return {detail["field"]: detail["message"] for detail in answer.json()["error"]["details"]}


def test_a_new_one_is_empty_open_and_can_be_filled_and_searched(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        answer = opened.post(name="people", embedder=HASHING, chunking={"max_tokens": 40, "overlap": 4})
        assert answer.status_code == 201, answer.text
        assert answer.headers["Location"] == "/v1/knowledge-bases/people"
        assert answer.json() == {
            "name": "people",
            "type": "chroma",
            "origin": "api",
            "embedder": {"type": "hashing", "model": None},
            "embedding": "hashing:32:1 text:40:4",
            "chunks": 0,
            "jobs": [],
        }
        fill(opened, "people")
        assert opened.client.get("/v1/knowledge-bases/people").json()["chunks"] == 1
        found = opened.client.post("/v1/knowledge-bases/people/search", json={"query": "bicycle"})
        assert [match["text"] for match in found.json()["data"]] == ["a red bicycle"]
        assert opened.names() == ["orders_kb", "people"]


def test_it_survives_a_restart_with_what_it_holds(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
        fill(opened, "people")
    with shelf(tmp_path) as again:
        told = again.client.get("/v1/knowledge-bases/people").json()
        assert (told["origin"], told["embedding"], told["chunks"]) == ("api", None, None)
        assert again.client.post("/v1/knowledge-bases/people/search", json={"query": "red"}).json()["data"]
        assert again.client.get("/v1/knowledge-bases/people").json()["chunks"] == 1


def test_a_list_opens_nothing_and_tells_which_jobs_fill_what(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        opened.job("one", "orders_kb")
        opened.job("over", "orders_kb", end_time="2025-01-01T00:00:00")
        ended = opened.job("ended", "orders_kb")
        opened.state.jobs.end(ended.id, ended.created_at)
        [told] = opened.client.get("/v1/knowledge-bases").json()["data"]
        assert told == {
            "name": "orders_kb",
            "type": "chroma",
            "origin": "file",
            "embedder": {"type": "hashing", "model": None},
            "embedding": None,
            "chunks": None,
            "jobs": ["one"],
        }
        assert not (tmp_path / "kb").exists()
        fill(opened, "orders_kb")
        told = opened.client.get("/v1/knowledge-bases/orders_kb").json()
        assert (told["embedding"], told["chunks"]) == ("hashing:64:1 text:16:0", 1)


def test_a_list_comes_in_pages(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        for name in ("people", "docs"):
            assert opened.post(name=name, embedder=HASHING).status_code == 201
        first = opened.client.get("/v1/knowledge-bases?limit=2")
        assert [one["name"] for one in first.json()["data"]] == ["docs", "orders_kb"]
        second = opened.client.get(first.links["next"]["url"]).json()
        assert ([one["name"] for one in second["data"]], second["has_more"]) == (["people"], False)


def test_one_that_is_like_another_lies_beside_it_and_has_its_embedder_and_chunking(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        first = opened.post(name="people", like="orders_kb")
        assert first.json()["embedding"] == "hashing:64:1 text:16:0"
        second = opened.post(name="staff", like="people", chunking={"max_tokens": 99})
        assert second.json()["embedding"] == "hashing:64:1 text:99:32"
        assert (tmp_path / "knowledge_bases" / "people").is_dir()
        assert (tmp_path / "knowledge_bases" / "staff").is_dir()
        alone = opened.post(name="docs", embedder=HASHING)
        assert alone.status_code == 201
        assert (tmp_path / "data" / "knowledge_bases" / "docs").is_dir()
        modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "data" / "knowledge_bases").rglob("*")}
        assert modes == {0}


def test_without_an_embedder_it_is_minilm(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        told = opened.post(name="people").json()
        assert told["embedder"] == {"type": "sentence-transformers", "model": "all-MiniLM-L6-v2"}
        assert told["embedding"].startswith("sentence-transformers:sha256-")


def test_on_a_server_it_is_a_collection_and_its_secret_is_in_no_file(tmp_path: Path, chroma_server: str) -> None:
    more = f"""
  remote: {{type: chroma, url: "{chroma_server}", token: {CANARY}, embedder: {{type: hashing}}}}
"""
    with shelf(tmp_path, more=more) as opened:
        assert opened.post(name="served", like="remote").status_code == 201
        fill(opened, "served")
        again = opened.post(name="served2", like="served")
        assert again.status_code == 201
        told = opened.client.get("/v1/knowledge-bases")
        assert CANARY not in told.text
        assert opened.state.knowledge_bases.list()[0].definition.store.of == "remote"
    assert all(CANARY.encode() not in path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    with shelf(tmp_path, more=more) as opened:
        with opened.parts.target("served") as target:
            assert target.knowledge_base.count() == 1
        taken = opened.client.delete("/v1/knowledge-bases/served")
        assert taken.status_code == 409
        assert opened.client.delete("/v1/knowledge-bases/served?purge=true").status_code == 204
        assert opened.client.delete("/v1/knowledge-bases/served2").status_code == 204
        assert opened.post(name="served", like="remote").json()["chunks"] == 0
        assert opened.client.delete("/v1/knowledge-bases/served").status_code == 204


def test_an_embedder_with_a_key_is_shared_and_its_key_is_in_no_file(tmp_path: Path) -> None:
    """By name only: a request brings no key, and makes syncd call no server that the configuration does not."""
    with embedding_server() as server:
        lines = """
  hosted: {{type: chroma, path: {0}/hosted, embedder: {{type: openai, url: "{1}", model: m, key: "${{EMBEDDING_KEY}}"}}}}
  local: {{type: chroma, path: {0}/local, embedder: {{type: openai, url: "{1}", model: m}}}}
"""
        more, environ = lines.format(tmp_path, server.url), {"EMBEDDING_KEY": CANARY}
        with shelf(tmp_path, more=more, environ=environ) as opened:
            assert opened.post(name="shared", like="hosted").json()["embedder"] == {"type": "openai", "model": "m"}
            assert server.asked[-1].headers["Authorization"] == f"Bearer {CANARY}"
            asked = {"type": "openai", "url": server.url, "model": "other"}
            assert opened.post(name="own", embedder=asked).status_code == 201
            assert "Authorization" not in server.asked[-1].headers
            elsewhere = {**asked, "url": "http://169.254.169.254/v1"}
            assert faults(opened.post(name="x", embedder=elsewhere)).keys() == {"embedder.url"}
            refusal = opened.post(name="x", embedder={**asked, "key": CANARY})
            assert "with a secret" in faults(refusal)["embedder.type"]
            assert CANARY not in refusal.text + opened.client.get("/v1/knowledge-bases").text
        with shelf(tmp_path, more=more, environ=environ) as opened:
            fill(opened, "shared")
            assert server.asked[-1].headers["Authorization"] == f"Bearer {CANARY}"
    assert all(CANARY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_what_is_on_the_server_already_is_left_alone(tmp_path: Path, chroma_server: str) -> None:
    more = f"""
  remote: {{type: chroma, url: "{chroma_server}", embedder: {{type: hashing}}}}
"""
    with shelf(tmp_path, more=more) as opened:
        fill(opened, "remote")
    elsewhere = f"""
  server: {{type: chroma, url: "{chroma_server}", embedder: {{type: hashing}}}}
"""
    other = tmp_path / "other"
    other.mkdir()
    with shelf(other, more=elsewhere) as opened:
        answer = opened.post(name="remote", like="server")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
        assert "remote" not in opened.names()
    with shelf(tmp_path, more=more) as opened, opened.parts.target("remote") as target:
        assert target.knowledge_base.count() == 1


def test_a_server_that_is_down_is_told_at_once_and_nothing_is_kept(tmp_path: Path) -> None:
    more = """
  remote: {type: chroma, url: "http://127.0.0.1:9", timeout: 2, embedder: {type: hashing}}
"""
    with shelf(tmp_path, more=more) as opened:
        answer = opened.post(name="served", like="remote")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "TRANSIENT")
        assert opened.names() == ["orders_kb", "remote"]
        assert opened.state.knowledge_bases.list() == []


def test_when_it_cannot_be_opened_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shelf(tmp_path) as opened:
        folder = tmp_path / "data" / "knowledge_bases"
        folder.mkdir(mode=0o700)
        # A folder where the lock has to be made.
        (folder / "people.lock").mkdir()
        answer = opened.post(name="people", embedder=HASHING)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
        assert opened.names() == ["orders_kb"]
        assert opened.state.knowledge_bases.list() == []
        (folder / "people.lock").rmdir()
        broken = opened.post(name="people", embedder={"type": "sentence-transformers", "device": "nonsense"})
        assert list(faults(broken)) == ["embedder"]
        assert opened.state.knowledge_bases.list() == []
        assert [path.name for path in folder.iterdir() if path.is_dir()] == []
        assert opened.post(name="people", embedder=HASHING).status_code == 201


@pytest.mark.parametrize("name", ["orders_kb", "people"])
def test_a_name_that_is_taken_is_a_conflict(tmp_path: Path, name: str) -> None:
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
        answer = opened.post(name=name, embedder=HASHING)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
        fill(opened, name)


def test_of_many_at_once_exactly_one_wins(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: opened.post(name="people", embedder=HASHING).status_code, range(16)))
        assert sorted(answers) == [201] + [409] * 15
        fill(opened, "people")


@pytest.mark.parametrize(
    "name",
    [
        "../up", "..", ".", "/etc/kb", "a/b", "a\\b", "a\x00b", "a" * 129, "", " ", "a b", "-a", "_a", "ä", "a\n",
        "%2e%2e%2fup", "~root", "C:kb", "\ud800", 7, ["a"], {"a": 1}, True, "x.lock", "a.damaged-1", "ab", "abc-",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: object) -> None:
    with shelf(tmp_path) as opened:
        before = sorted(tmp_path.rglob("*"))
        body = json.dumps({"name": name, "embedder": HASHING})
        answer = opened.client.post("/v1/knowledge-bases", content=body, headers={"Content-Type": "application/json"})
        if name == "\ud800":
            assert answer.status_code == 422
        else:
            assert "name" in faults(answer)
        assert sorted(tmp_path.rglob("*")) == before
        if isinstance(name, str) and name.isprintable() and "/" not in name and name not in {"", ".", ".."}:
            path = "/v1/knowledge-bases/" + name.replace("%", "%25").replace("\\", "%5C")
            assert opened.client.get(path).status_code == 404
            assert opened.client.delete(f"{path}?purge=true").status_code == 404


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    with shelf(tmp_path) as opened:
        folder = tmp_path / "data" / "knowledge_bases"
        folder.symlink_to(away, target_is_directory=True)
        assert opened.post(name="people", embedder=HASHING).status_code == 409
        folder.unlink()
        folder.mkdir()
        for target in (away, tmp_path / "nowhere"):
            (folder / "people").symlink_to(target)
            assert opened.post(name="people", embedder=HASHING).status_code == 409
            (folder / "people").unlink()
        assert list(away.iterdir()) == []
        assert opened.names() == ["orders_kb"]


def test_a_link_that_was_put_in_its_place_later_is_not_followed_when_it_is_removed(tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (away / "precious").write_text("x")
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
    folder = tmp_path / "data" / "knowledge_bases" / "people"
    folder.rename(tmp_path / "aside")
    folder.symlink_to(away)
    with shelf(tmp_path) as opened:
        assert opened.client.delete("/v1/knowledge-bases/people?purge=true").status_code == 503
    assert (away / "precious").read_text() == "x"


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        told = faults(
            opened.post(
                name="a b",
                like="nothing",
                path="/etc",
                url="http://evil.example",
                embedder={"type": "hashing", "dimension": 3, "modle": "x"},
                chunking={"max_tokens": 10, "overlap": 9},
            )
        )
        assert set(told) == {"name", "path", "url", "embedder.dimension", "embedder.modle", "chunking.overlap"}
        assert told["embedder.dimension"] == "embedder.dimension must be at least 16"
        assert set(faults(opened.post(name="abc", like="nothing", embedder=5, chunking="x"))) == {
            "like",
            "embedder",
            "chunking",
        }
        assert set(faults(opened.post(embedder={}))) == {"name", "embedder"}
        assert set(faults(opened.post(name="abc", embedder={"type": "nothing"}))) == {"embedder.type"}
        deep: Any = 1
        for _ in range(300):
            deep = [deep]
        assert set(faults(opened.post(name="abc", embedder={"type": deep}))) == {"embedder.type"}
        assert opened.client.post("/v1/knowledge-bases", json=[]).status_code == 422


@pytest.mark.parametrize(
    "model",
    [
        "/etc", "~/model", "./model", "../model", "folder", "org/folder", "BAAI/bge-small-en-v1.5", "a\x00b",
        "http://evil.example/model", "s3://bucket/model", "x" * 5000, "", "\\\\host\\share", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_a_model_by_request_is_no_path_and_no_download(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "org" / "folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with shelf(tmp_path) as opened:
        answer = opened.post(name="people", embedder={"type": "sentence-transformers", "model": model})
        assert set(faults(answer)) == {"embedder.model"}
        assert opened.names() == ["orders_kb"]


def test_a_model_that_the_configuration_names_may_be_named_but_not_its_folder(tmp_path: Path) -> None:
    more = """
  hub: {type: chroma, path: FOLDER/hub, embedder: {type: sentence-transformers, model: org/model, revision: abc}}
  local: {type: chroma, path: FOLDER/local, embedder: {type: sentence-transformers, model: FOLDER/models}}
""".replace("FOLDER", str(tmp_path))
    with shelf(tmp_path, more=more) as opened:

        def refused(**options: object) -> set[str]:
            body = {"type": "sentence-transformers", **options}
            # A second fault, so that nothing is made.
            return set(faults(opened.post(name="x.lock", embedder=body))) - {"name"}

        assert refused(model="org/model", revision="abc") == set()
        assert refused(model="org/model", revision="other") == {"embedder.model"}
        assert refused(model=f"{tmp_path}/models") == {"embedder.model"}
        assert refused(model="sentence-transformers/all-MiniLM-L6-v2") == set()


def test_beside_a_state_on_a_server_there_is_no_folder(tmp_path: Path, postgres_url: str) -> None:
    with shelf(tmp_path, state=postgres_url) as opened:
        assert set(faults(opened.post(name="people", embedder=HASHING))) == {"like"}
        assert opened.post(name="people", like="orders_kb").status_code == 201
    with shelf(tmp_path, state=postgres_url) as opened:
        assert opened.names() == ["orders_kb", "people"]
        assert opened.client.delete("/v1/knowledge-bases/people").status_code == 204


def test_removing_leaves_nothing_and_frees_the_name(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
        fill(opened, "people")
        folder = tmp_path / "data" / "knowledge_bases" / "people"
        refused = opened.client.delete("/v1/knowledge-bases/people")
        assert refused.status_code == 409
        assert "1 chunks" in refused.json()["error"]["message"]
        assert opened.client.delete("/v1/knowledge-bases/people?purg=true").status_code == 422
        assert folder.is_dir()
        assert opened.client.delete("/v1/knowledge-bases/people?purge=true").status_code == 204
        assert not folder.exists()
        assert opened.client.get("/v1/knowledge-bases/people").status_code == 404
        assert opened.client.delete("/v1/knowledge-bases/people?purge=true").status_code == 404
        assert (
            opened.post(name="people", embedder={"type": "hashing"}).json()["embedding"] == "hashing:256:1 text:256:32"
        )
        assert opened.client.delete("/v1/knowledge-bases/people").status_code == 204
        kinds = [event.kind for event in opened.state.events.list()]
        assert kinds == ["knowledge_base_removed", "knowledge_base_created"] * 2


def test_one_of_the_file_stays_and_its_place_is_told(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        answer = opened.client.delete("/v1/knowledge-bases/orders_kb?purge=true")
        assert answer.status_code == 409
        assert f"{tmp_path}/syncd.yaml:6" in answer.json()["error"]["message"]


def test_one_that_a_job_fills_or_somebody_uses_stays(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
        job = opened.job("copy", "people")
        fills = opened.client.delete("/v1/knowledge-bases/people?purge=true")
        assert (fills.status_code, "copy" in fills.text) == (409, True)
        assert opened.client.get("/v1/knowledge-bases/people").json()["jobs"] == ["copy"]
        opened.state.jobs.end(job.id, job.created_at)
        with opened.parts.target("people"):
            assert opened.client.delete("/v1/knowledge-bases/people?purge=true").status_code == 409
        assert opened.names() == ["orders_kb", "people"]
        assert opened.client.delete("/v1/knowledge-bases/people?purge=true").status_code == 204


def test_a_job_that_comes_while_it_is_removed_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is empty then, and the job fills it from the beginning."""
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
        fill(opened, "people")
        remove = opened.parts.remove

        def slowly(name: str) -> None:
            remove(name)
            opened.job("copy", "people")

        monkeypatch.setattr(opened.parts, "remove", slowly)
        assert opened.client.delete("/v1/knowledge-bases/people?purge=true").status_code == 409
        with opened.parts.target("people") as target:
            assert target.knowledge_base.count() == 0
        assert opened.names() == ["orders_kb", "people"]


def test_a_name_that_the_file_takes_later_is_reported_and_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
        fill(opened, "people")
    more = f"""
  people: {{type: chroma, path: {tmp_path}/mine, embedder: {{type: hashing, dimension: 128}}}}
"""
    with shelf(tmp_path, more=more) as opened:
        told = opened.client.get("/v1/knowledge-bases/people").json()
        assert (told["origin"], opened.names()) == ("file", ["orders_kb", "people"])
        assert opened.client.delete("/v1/knowledge-bases/people?purge=true").status_code == 409
        assert opened.post(name="people", embedder=HASHING).status_code == 409
    assert "knowledge base people, made through the API, waits and is not lost" in caplog.text
    with shelf(tmp_path) as opened, opened.parts.target("people") as target:
        assert target.knowledge_base.count() == 1


def test_one_whose_folder_the_file_takes_later_does_not_keep_the_file_s_from_opening(tmp_path: Path) -> None:
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
    folder = tmp_path / "data" / "knowledge_bases" / "people"
    more = f"""
  staff: {{type: chroma, path: {folder}, embedder: {{type: hashing, dimension: 32}}}}
"""
    with shelf(tmp_path, more=more) as opened:
        assert opened.names() == ["orders_kb", "staff"]
        answer = opened.client.get("/v1/knowledge-bases/people")
        assert (answer.status_code, "staff is kept in its folder" in answer.text) == (404, True)
        fill(opened, "staff")


def test_one_whose_server_left_the_file_waits_for_it(tmp_path: Path, chroma_server: str) -> None:
    more = f"""
  remote2: {{type: chroma, url: "{chroma_server}", embedder: {{type: hashing}}}}
"""
    with shelf(tmp_path, more=more) as opened:
        assert opened.post(name="waiting", like="remote2").status_code == 201
    with shelf(tmp_path) as opened:
        assert opened.names() == ["orders_kb"]
        taken = opened.post(name="waiting", embedder=HASHING)
        assert (taken.status_code, "remote2" in taken.text) == (409, True)
    with shelf(tmp_path, more=more) as opened:
        assert opened.client.delete("/v1/knowledge-bases/waiting").status_code == 204


def test_only_those_who_may_see_make_and_remove_it(tmp_path: Path) -> None:
    every = frozenset(Scope) - {Scope.ADMIN}
    with shelf(tmp_path) as opened:
        assert opened.post(name="people", embedder=HASHING).status_code == 201
        opened.job("copy", "orders_kb")
        path = "/v1/knowledge-bases/people"
        opened.ask_as("reader", Scope.KB_READ)
        assert opened.client.get(path).status_code == 200
        assert opened.post(name="other", embedder=HASHING).status_code == 403
        assert opened.client.delete(path).status_code == 403
        opened.ask_as("writer", Scope.KB_WRITE)
        assert [opened.client.get(path).status_code, opened.client.get("/v1/knowledge-bases").status_code] == [403, 403]
        assert opened.client.post(f"{path}/search", json={"query": "x"}).status_code == 403
        opened.ask_as("limited", *every, jobs=frozenset(), knowledge_bases=frozenset({"orders_kb"}))
        assert opened.names() == ["orders_kb"]
        assert opened.client.get("/v1/knowledge-bases/orders_kb").json()["jobs"] == []
        assert opened.client.get(path).status_code == 403
        assert opened.client.post(f"{path}/search", json={"query": "x"}).status_code == 403
        assert opened.client.delete(path).status_code == 403
        assert opened.post(name="other", embedder=HASHING).status_code == 403
        assert opened.post(name="orders_kb", like="people").status_code == 403


def test_a_store_that_does_not_answer_does_not_hold_up_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf(tmp_path) as opened:
        for name in ("people", "staff"):
            assert opened.post(name=name, embedder=HASHING).status_code == 201
        asked = []
        for name in ("people", "staff"):
            with opened.parts.target(name) as target:

                def count(name: str = name) -> int:
                    asked.append(name)
                    raise TransientError("it does not answer")

                monkeypatch.setattr(target.knowledge_base, "count", count)
        told = {one["name"]: one for one in opened.client.get("/v1/knowledge-bases").json()["data"]}
        assert (told["people"]["chunks"], told["staff"]["chunks"]) == (None, None)
        assert told["staff"]["embedding"] == "hashing:32:1 text:256:32"
        assert asked == ["people"]


def test_what_another_process_makes_and_removes_is_taken_up(tmp_path: Path) -> None:
    with shelf(tmp_path) as first:
        assert first.post(name="people", embedder=HASHING).status_code == 201
        definition = first.state.knowledge_bases.list()[0].definition
        first.state.knowledge_bases.remove("people", first.state.events.list()[0].at)
        first.library.refresh()
        assert first.names() == ["orders_kb"]
        with first.parts.opened("people") as target:
            assert target is None
        first.state.knowledge_bases.add("people", definition, first.state.events.list()[0].at, 10)
        first.library.refresh()
        assert first.names() == ["orders_kb", "people"]
