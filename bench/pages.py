#!/usr/bin/env python3
"""How fast the pages are with a million deliveries in the database, and what 500 open ones cost.

    cargo build --release && bench/pages.py [--deliveries 1000000] [--postgres URL] [--binary target/release/santral]

SQLite in a folder of its own; with --postgres a superuser's URL of an empty database, which it leaves filled. Times are
from request to last byte over one kept connection on the same machine, so they hold what the client costs as well.
"""
import argparse, http.client, json, os, socket, sqlite3, subprocess, sys, tempfile, time, uuid

KEY = "a-platform-key-only-for-this-measurement"
COLUMNS = ("company_id, id, state, reason, origin, operation, channel, provider, connection_id, recipient, subject, "
           "automation_id, event_id, created_at, due_at, finished_at, attempts, receipts, output, payload").split(", ")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    def __init__(self, binary, folder, database):
        self.port = free_port()
        env = {**os.environ, "SANTRAL_LISTEN": f"127.0.0.1:{self.port}", "SANTRAL_DATA_DIR": folder,
               "SANTRAL_PLATFORM_KEY": KEY, "SANTRAL_ALLOW_NETWORKS": "127.0.0.0/8"}
        if database:
            env["SANTRAL_DATABASE_URL"] = database
        self.child = subprocess.Popen([binary, "serve"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or self.child.poll() is not None:
                sys.exit("the server did not start")
            time.sleep(0.05)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"authorization": f"Bearer {KEY}", "content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()

    def made(self, method, path, body, company=None):
        status, _, text = self.ask(method, path, body, {"santral-company": company} if company else None)
        assert status < 300, (path, status, text)
        return json.loads(text)

    def cookie(self, company):
        user = {"id": "1", "name": "Ölçüm", "role": "admin"}
        url = self.made("POST", f"/api/companies/{company}/sessions", {"user": user})["url"]
        _, headers, _ = self.ask("GET", url[url.index("/app/"):])
        return next(value for name, value in headers if name.lower() == "set-cookie").split(";")[0]

    def memory(self):
        with open(f"/proc/{self.child.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def stop(self):
        self.child.terminate()
        self.child.wait()


def rows(company, connection, count):
    """Deliveries of the last 30 days, one in fifty failed, newest last."""
    now = time.time_ns() // 1000
    step = 30 * 86_400_000_000 // count
    attempt = '[{"number":1,"started_at":"2026-11-24T10:00:00Z","duration_ms":42,"outcome":"sent"}]'
    payload = json.dumps({"work": {"ready": {"send_email": {"to": "a@b.co", "subject": "Teklif", "text": "Merhaba" * 20, "kind": "informational"}}}})
    for index in range(count):
        at = now - (count - index) * step
        id_ = ((at // 1000) << 80 | 7 << 76 | (index & 0xFFF) << 64 | 2 << 62 | index).to_bytes(16, "big")
        failed = index % 50 == 0
        yield (company, id_, "failed" if failed else "sent", "recipient_unknown" if failed else None, "message", "send_email",
               "email", "smtp", connection, f"kisi{index % 50_000}@example.com", f"quote/{index}", None, None, at, at,
               at + 42_000, attempt, "[]", None, payload)


def fill_sqlite(folder, company, connection, count):
    with sqlite3.connect(f"{folder}/santral.db") as db:
        places = ", ".join("?" * len(COLUMNS))
        db.executemany(f"insert into deliveries ({', '.join(COLUMNS)}) values ({places})", rows(company, connection, count))
        db.execute("analyze")
    db.close()


def fill_postgres(url, company, connection, count):
    copy = subprocess.Popen(["psql", "-q", "-v", "ON_ERROR_STOP=1", url, "-c",
                             f"copy santral.deliveries ({', '.join(COLUMNS)}) from stdin"], stdin=subprocess.PIPE)
    def text(value):
        if value is None:
            return "\\N"
        return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) else str(value).replace("\\", "\\\\")
    for row in rows(company, connection, count):
        copy.stdin.write(("\t".join(map(text, row)) + "\n").encode())
    copy.stdin.close()
    assert copy.wait() == 0
    subprocess.run(["psql", "-q", url, "-c", "vacuum analyze santral.deliveries"], check=True)


def latency(server, cookie, path, count=1000):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    times = []
    for index in range(count + 50):
        began = time.perf_counter()
        connection.request("GET", path, headers={"cookie": cookie})
        answer = connection.getresponse()
        size = len(answer.read())
        assert answer.status == 200, (path, answer.status)
        if index >= 50:
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    print(f"  {path:<60} p50 {times[len(times) // 2]:6.1f} ms   p99 {times[len(times) * 99 // 100]:6.1f} ms   {size / 1000:.0f} kB")


def streams(server, cookie, count=500):
    ids = ",".join(item["id"] for item in json.loads(server.ask("GET", "/api/deliveries?limit=25", headers={"santral-company": server.company})[2])["items"])
    before, held = server.memory(), []
    for _ in range(count):
        stream = socket.create_connection(("127.0.0.1", server.port))
        stream.sendall(f"GET /app/live/deliveries?rows={ids} HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\ncookie: {cookie}\r\n\r\n".encode())
        # One after the other, as people open pages.
        assert stream.recv(4096).startswith(b"HTTP/1.1 200")
        held.append(stream)
    time.sleep(6)
    print(f"  {count} open pages: {server.memory() - before:.1f} MB more than {before:.1f} MB")
    for stream in held:
        stream.close()


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--deliveries", type=int, default=1_000_000)
    ask.add_argument("--postgres")
    ask.add_argument("--binary", default="target/release/santral")
    asked = ask.parse_args()
    with tempfile.TemporaryDirectory(prefix="santral-pages-") as folder:
        server = Server(asked.binary, folder, asked.postgres)
        company = server.made("POST", "/api/companies", {"name": "Ölçüm A.Ş."})["id"]
        accounts = [{"provider": "webhook", "label": f"crm {index}", "settings": {"url": "http://127.0.0.1:9/x"},
                     "credentials": {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}} for index in range(10)]
        server.made("PUT", "/api/integrations", {"integrations": accounts}, company)
        server.stop()
        if asked.postgres:
            # Ids are shown in Crockford's base 32 of the UUID.
            fill_postgres(asked.postgres, uuid_of(company), uuid.uuid4().bytes, asked.deliveries)
        else:
            fill_sqlite(folder, uuid_of(company), uuid.uuid4().bytes, asked.deliveries)
        server = Server(asked.binary, folder, asked.postgres)
        server.company = company
        cookie = server.cookie(company)
        print(f"{'PostgreSQL' if asked.postgres else 'SQLite'}, {asked.deliveries:,} deliveries, load {os.getloadavg()[0]:.1f}")
        for path in ["/app/integrations/webhook", "/app/deliveries", "/app/deliveries?state=failed", "/app/deliveries?channel=email",
                     "/app/deliveries?q=kisi77@example.com"]:
            latency(server, cookie, path)
        streams(server, cookie)
        server.stop()


def uuid_of(id_):
    number = 0
    for letter in id_.split("_")[1]:
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    return number.to_bytes(17, "big")[-16:]


if __name__ == "__main__":
    main()
