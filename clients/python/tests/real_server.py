"""What a user does with the client, against a real service: real_server.py URL KEY PICTURE FOLDER."""

import hashlib
import sys
from pathlib import Path

from panofleet import BadSignature, Client, PanofleetError, verify_webhook

url, key, picture, folder = sys.argv[1:]
client = Client(url, key=key)

source = client.upload(picture)
outputs = {"tiles": {"op": "pano.tiles"}, "small": {"op": "image.thumbnail", "width_px": 64}}
job = client.submit(source, outputs, labels={"album": "python"}, idempotency_key="python-1")
again = client.submit(source, outputs, labels={"album": "python"}, idempotency_key="python-1")
assert again["id"] == job["id"], "the same key is the same job"
states = [seen["state"] for seen in client.events(job["id"], timeout_s=120)]
assert states[-1] == "succeeded", states
job = client.wait(job["id"])
paths = list(client.download(job["id"], folder))
assert Path(folder).resolve() / "tiles" / "config.json" in paths or len(paths) > 5, paths
assert all(path.stat().st_size > 0 for path in paths)
assert client.history(job["id"])[0]["reason"] == "accepted"

# The least that parts may have is 5 MiB.
large = Path(folder) / "large.jpg"
large.write_bytes(Path(picture).read_bytes().ljust(33 << 20, b"\0"))
in_parts = client.upload(large, "image/jpeg", parts_from=1 << 20)
probed = client.submit(in_parts, {"probe": {"op": "media.probe"}})
assert client.wait(probed["id"], timeout_s=120)["state"] == "succeeded"
digest = hashlib.sha256(large.read_bytes()).hexdigest()
assert client.manifest(probed["id"])["source"]["sha256"] == digest

nothing = {"source": "none", "outputs": {"n": {"op": "fleet.noop"}}}
verdicts = list(client.submit_many([nothing, {"source": "none"}, nothing]))
assert [verdict["status"] for verdict in verdicts] == [201, 422, 201], verdicts
ended = [client.wait(verdict["id"], timeout_s=60)["state"] for verdict in verdicts if "id" in verdict]
assert ended == ["succeeded", "succeeded"], ended
found = [found["id"] for found in client.jobs(label="album:python", operation="pano.tiles", limit=1)]
assert found == [job["id"]], found

try:
    client.submit(source, {"x": {"op": "pano.nonsense"}})
    raise SystemExit("an operation that there is not was accepted")
except PanofleetError as refusal:
    assert refusal.status == 422 and "pano.nonsense" in refusal.detail, refusal
try:
    Client(url, key="pf_nobody").job(job["id"])
    raise SystemExit("a key that there is not was good")
except PanofleetError as refusal:
    assert refusal.status == 401, refusal
anew = client.retry(job["id"], priority="high", max_attempts=2)
assert anew["priority"] == "high", anew
assert anew["generation"] == 2, anew
client.wait(job["id"], timeout_s=120)

# The vector of the Standard Webhooks libraries.
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
headers = {
    "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "Webhook-Timestamp": "1614265330",
    "Webhook-Signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
body = b'{"test": 2432232314}'
assert verify_webhook(secret, headers, body, now_s=1614265330)["test"] == 2432232314
for other, at in ((body + b" ", 1614265330), (body, 1614265330 + 301)):
    try:
        verify_webhook(secret, headers, other, now_s=at)
        raise SystemExit("a message that was changed or is old was believed")
    except BadSignature:
        pass
print("ok")
