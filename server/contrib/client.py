# SPDX-License-Identifier: MIT
"""Runs work once for a key, by a onced at URL: the whole client, with nothing but the standard library."""
import json, threading, time, urllib.error, urllib.request, uuid

URL = "http://127.0.0.1:6623"


def ask(call, **body):
    request = urllib.request.Request(f"{URL}/v1/{call}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            try:
                problem = json.load(error)
            except ValueError:  # a proxy's: whoever has a claim_id may ask again
                problem = {"retryable": error.code >= 500, "code": error.code, "detail": error.reason}
            if not problem["retryable"]:  # a conflict, an unknown outcome, a stale fence
                raise RuntimeError(f"{problem['code']}: {problem['detail']}") from error
            time.sleep(int(error.headers.get("Retry-After", 1)))
        except OSError:  # no answer: whoever has a claim_id may ask again
            time.sleep(1)


def once(key, fingerprint, work, lease_s=30):
    status, told = ask("claim", key=key, fingerprint=fingerprint, claim_id=str(uuid.uuid4()),
                       lease_ms=lease_s * 1000, wait_ms=30000)
    if status == 200:
        return told.get("result")  # it has run before
    run = {"key": key, "fence": told["fence"]}
    done = threading.Event()

    def renew():
        while not done.wait(lease_s / 3):
            ask("renew", **run, lease_ms=lease_s * 1000)

    threading.Thread(target=renew, daemon=True).start()
    try:
        result = work()
    except Exception:
        ask("release", **run)  # only if nothing was done; else: ask("mark-unknown", **run)
        raise
    finally:
        done.set()
    ask("complete", **run, result=result)
    return result
