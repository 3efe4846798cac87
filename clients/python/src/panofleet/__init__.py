"""Client of Panofleet's HTTP API: jobs in, results out. Standard library only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Union

__all__ = ["BadSignature", "Client", "PanofleetError", "verify_webhook"]

Json = Dict[str, Any]
JobId = str

#: States that are ends.
ENDED = frozenset({"succeeded", "dead", "cancelled", "expired"})
#: Tries of a request whose answer was lost or that is to come again later.
TRIES_MAX = 5
#: The wait before the second try, in seconds; it doubles.
WAIT_FIRST_S = 0.25
#: Longest wait for an answer, in seconds.
TIMEOUT_S = 30.0
#: Longest wait of one question for a job to change, in seconds.
POLL_S = 30
#: Files from this size are sent in parts.
PARTS_FROM_BYTES = 32 * 1024 * 1024
#: Parts of one file that are on their way at once.
PARTS_AT_ONCE = 4
#: How far a webhook's timestamp may be off, in seconds.
TOLERANCE_S = 300


class PanofleetError(Exception):
    """A refusal, or no answer.

    ``status`` is the HTTP status (0 if there was no answer), ``code`` is for programs, ``detail`` says what to do.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code}, {status})")
        self.status = status
        self.code = code
        self.detail = detail


class BadSignature(Exception):
    """A message that did not come from the webhook that it says, or long ago."""


class Client:
    """A client of one service. It may be shared by threads.

    ``key`` is an API key, where the service asks for one; ``tenant`` names whose jobs it is about, where the key is for
    all tenants.
    """

    def __init__(self, url: str, key: Optional[str] = None, tenant: Optional[str] = None) -> None:
        self._url = url.rstrip("/")
        self._headers: Dict[str, str] = {"accept": "application/json"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"
        if tenant:
            self._headers["panofleet-tenant"] = tenant

    def submit(
        self,
        source: str,
        outputs: Optional[Mapping[str, Mapping[str, Any]]] = None,
        *,
        preset: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        **fields: Any,
    ) -> Json:
        """Submits a job, and gives it as it was accepted.

        ``source`` is ``https://…``, ``s3://bucket/key`` or what ``upload`` gives; ``outputs`` are operations by names of
        your own. Further fields (``labels``, ``region``, ``priority``, ``deadline``, …) are those of ``POST /v1/jobs``.
        """
        job: Json = {"source": source, "idempotency_key": idempotency_key or str(uuid.uuid4()), **fields}
        if outputs is not None:
            job["outputs"] = outputs
        if preset is not None:
            job["preset"] = preset
        return self._ask("POST", "/v1/jobs", job, again=True)

    def submit_many(self, jobs: Iterable[Mapping[str, Any]]) -> Iterator[Json]:
        """Submits up to 10,000 jobs in one request, and gives a verdict for each: ``line``, ``status``, and ``id`` or
        ``problem``. Jobs without an idempotency key get one."""
        lines = [json.dumps({"idempotency_key": str(uuid.uuid4()), **job}) for job in jobs]
        body = "\n".join(lines).encode()
        headers = {"content-type": "application/x-ndjson"}
        with self._open("POST", "/v1/jobs", body, headers, again=True) as answer:
            for line in answer:
                if line.strip():
                    yield json.loads(line)

    def upload(
        self,
        path: Union[str, "os.PathLike[str]"],
        content_type: Optional[str] = None,
        *,
        parts_from: int = PARTS_FROM_BYTES,
    ) -> str:
        """Puts a file into the object store, and gives the source that a job names. From ``parts_from`` bytes on it is
        sent in parts, several at once."""
        size = os.stat(path).st_size
        asked: Json = {"bytes": size, "sha256": _sha256(path), "parts": size >= parts_from}
        if content_type:
            asked["content_type"] = content_type
        upload = self._ask("POST", "/v1/uploads", asked, again=True)
        if "parts" in upload:
            self._send_parts(path, upload)
        else:
            _put(lambda: upload, path, 0, size)
        return str(upload["source"])

    def _send_parts(self, path: Union[str, "os.PathLike[str]"], upload: Json) -> None:
        link, cut = f"/v1/uploads/{_part(upload['id'])}", upload["parts"]

        def send(number: int) -> None:
            def address() -> Json:
                # A fresh one for each try: the last may have expired.
                asked = {"numbers": [number]}
                part: Json = self._ask("POST", f"{link}/parts", asked, again=True)["parts"][0]
                return part

            begin = (number - 1) * cut["bytes"]
            _put(address, path, begin, min(cut["bytes"], upload["bytes"] - begin))

        with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
            sent = [pool.submit(send, number) for number in range(1, cut["count"] + 1)]
            try:
                for part in sent:
                    part.result()
            except BaseException:
                for part in sent:
                    part.cancel()
                raise
        self._ask("POST", f"{link}/complete", again=True)

    def job(self, id: JobId) -> Json:
        """One job."""
        return self._ask("GET", f"/v1/jobs/{_part(id)}")

    def history(self, id: JobId) -> List[Json]:
        """What happened to a job, oldest first."""
        entries: List[Json] = self._ask("GET", f"/v1/jobs/{_part(id)}/history")["entries"]
        return entries

    def manifest(self, id: JobId) -> Json:
        """The result of a job: its files, what they were made from, how long each step took."""
        return self._ask("GET", f"/v1/jobs/{_part(id)}/manifest")

    def jobs(self, **filters: Any) -> Iterator[Json]:
        """Jobs that match, newest first: ``state``, ``label``, ``region``, ``operation``, ``worker``, ``attempt``,
        ``failure``, ``failed_within``, ``parent``. Pages are asked for as they are needed."""
        query = {name: str(value) for name, value in filters.items() if value is not None}
        query.setdefault("limit", "200")
        while True:
            page = self._ask("GET", "/v1/jobs?" + urllib.parse.urlencode(query))
            yield from page["jobs"]
            if page["next"] is None:
                return
            query["before"] = page["next"]

    def wait(self, id: JobId, timeout_s: Optional[float] = None) -> Json:
        """The job once it has ended. ``TimeoutError`` if it has not by then."""
        for job in self.events(id, timeout_s):
            if job["state"] in ENDED:
                return job
        raise TimeoutError(f"job {id} has not ended within {timeout_s} s")

    def events(self, id: JobId, timeout_s: Optional[float] = None) -> Iterator[Json]:
        """The job now, and whenever it or its progress changes, until it has ended or the time is up."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        job = self.job(id)
        yield job
        while job["state"] not in ENDED:
            left = POLL_S if end is None else min(POLL_S, end - time.monotonic())
            if left <= 0:
                return
            query = urllib.parse.urlencode({"seconds": max(1, round(left)), "version": job["version"]})
            news = self._ask("GET", f"/v1/jobs/{_part(id)}/wait?{query}")
            if news != job:
                job = news
                yield job

    def cancel(self, id: JobId) -> Json:
        """Cancels a job."""
        return self._ask("POST", f"/v1/jobs/{_part(id)}/cancel", again=True)

    def retry(self, id: JobId, **changes: Any) -> Json:
        """Starts a job that has ended anew, or has one that waits for its time go at once, with what is to be different:
        ``region``, ``regions``, ``timeout``, ``deadline``, ``max_attempts``, ``priority``."""
        return self._ask("POST", f"/v1/jobs/{_part(id)}/retry", changes or None)

    def release(self, id: JobId) -> Json:
        """Asks whoever holds a job to let it go, so that it goes again."""
        return self._ask("POST", f"/v1/jobs/{_part(id)}/release", again=True)

    def download(self, id: JobId, folder: Union[str, "os.PathLike[str]"]) -> Iterator[Path]:
        """Gets the files of a result into ``<folder>/<output>/…``, and gives each path once the file is whole and its
        SHA-256 is right."""
        root = Path(folder).resolve()
        for name, output in self.manifest(id)["outputs"].items():
            for file in output["files"]:
                path = (root / name / file["path"]).resolve()
                if root not in path.parents:
                    raise PanofleetError(0, "bad_path", f"{file['path']} would lie outside {root}")
                path.parent.mkdir(parents=True, exist_ok=True)
                remote = "/".join(_part(part) for part in file["path"].split("/"))
                self._fetch(f"/o/{_part(id)}/{_part(name)}/{remote}", path, file["sha256"])
                yield path

    def _fetch(self, link: str, path: Path, sha256: str) -> None:
        part = path.with_name(path.name + ".part")
        digest = hashlib.sha256()
        with self._open("GET", link) as answer, open(part, "wb") as file:
            while True:
                piece = answer.read(1 << 16)
                if not piece:
                    break
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != sha256:
            part.unlink()
            raise PanofleetError(0, "checksum_differs", f"{link} is not what its manifest says; try again")
        part.replace(path)

    def _ask(self, method: str, path: str, body: Optional[Json] = None, again: bool = False) -> Json:
        headers = {} if body is None else {"content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with self._open(method, path, data, headers, again) as answer:
            found: Json = json.load(answer)
            return found

    def _open(
        self,
        method: str,
        path: str,
        data: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
        again: bool = False,
    ) -> Any:
        """Sends a request. What changes nothing if it comes twice is sent again where no answer comes."""
        request = urllib.request.Request(self._url + path, data=data, method=method)
        for name, value in {**self._headers, **(headers or {})}.items():
            request.add_header(name, value)
        tries = TRIES_MAX if again or method == "GET" else 1
        for attempt in range(tries):
            last = attempt + 1 == tries
            try:
                return urllib.request.urlopen(request, timeout=TIMEOUT_S + POLL_S)
            except urllib.error.HTTPError as error:
                refusal = _refusal(error)
                if last or error.code not in (429, 502, 503, 504):
                    raise refusal from None
                wait = _retry_after(error)
            except (urllib.error.URLError, OSError) as error:
                if last:
                    detail = f"no answer from {self._url}: {error}"
                    raise PanofleetError(0, "no_answer", detail) from None
                wait = 0.0
            time.sleep(max(wait, WAIT_FIRST_S * 2**attempt))
        raise AssertionError("the last try answers or raises")


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now_s: Optional[float] = None,
) -> Json:
    """The message of a webhook (Standard Webhooks 1.0), if it is signed with the secret and not old.

    ``secret`` is ``whsec_…`` as ``panofleet webhooks add`` printed it; ``body`` is the request's, byte for byte.
    Raises ``BadSignature``.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        id, at = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split(" ")
        age = abs((time.time() if now_s is None else now_s) - int(at))
    except (KeyError, ValueError):
        raise BadSignature("webhook-id, webhook-timestamp or webhook-signature is missing") from None
    if age > TOLERANCE_S:
        raise BadSignature("the message is too old, or a clock is wrong")
    key = base64.b64decode(secret[len("whsec_") :] if secret.startswith("whsec_") else secret)
    signed = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(signed).decode()
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise BadSignature("no signature fits the secret")
    message: Json = json.loads(body)
    return message


def _sha256(path: Union[str, "os.PathLike[str]"]) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 18), b""):
            digest.update(piece)
    return digest.hexdigest()


class _Slice(io.RawIOBase):
    """A piece of a file, as a request's body."""

    def __init__(self, path: Union[str, "os.PathLike[str]"], begin: int, size: int) -> None:
        self._file = open(path, "rb")
        self._file.seek(begin)
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._file.close()
        super().close()


def _put(address: Callable[[], Json], path: Union[str, "os.PathLike[str]"], begin: int, size: int) -> None:
    """Puts a piece of a file to the address that it is given for each try."""
    for attempt in range(TRIES_MAX):
        to = address()
        with _Slice(path, begin, size) as body:
            request = urllib.request.Request(to["url"], data=body, method=to["method"])
            for name, value in to["headers"].items():
                if name.lower() != "host":
                    request.add_header(name, value)
            request.add_header("content-length", str(size))
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_S * 20):
                    return
            except urllib.error.HTTPError as error:
                text = error.read(400).decode(errors="replace")
                failure = PanofleetError(error.code, "upload_refused", text)
                # 403: the address has expired.
                if error.code < 500 and error.code != 403:
                    raise failure from None
            except OSError as error:
                detail = f"the object store does not take the file: {error}"
                failure = PanofleetError(0, "store_unavailable", detail)
        if attempt + 1 < TRIES_MAX:
            time.sleep(WAIT_FIRST_S * 2**attempt)
    raise failure


def _part(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _refusal(error: urllib.error.HTTPError) -> PanofleetError:
    try:
        problem = json.loads(error.read())
        return PanofleetError(error.code, problem["code"], problem["detail"] or problem["title"])
    except (ValueError, KeyError, TypeError):
        return PanofleetError(error.code, "unknown", f"the service answered {error.code}")


def _retry_after(error: urllib.error.HTTPError) -> float:
    try:
        return min(float(error.headers.get("retry-after", 0)), 30.0)
    except ValueError:
        return 0.0
