"""A stand-in for a Rancher server in one container.

It owns /var/lib/rancher, laid out as k3s keeps it: an etcd database and WAL segments that change all the time, and many
files that do not. It knows whether its data are whole, so that a copy which was torn is found when it is started or
verified: every page of the database has a checksum, the header has the sum of the pages' versions, and every write goes
to the WAL first.

    rancher            make the data if there are none, check them, change them, answer /ping
    rancher verify D   check the copy in folder D: exit 0 if Rancher had closed it properly and all of it is there

Environment: STAND_IN_DB_MIB (512), STAND_IN_WAL_SEGMENTS (2, of 64 MiB), STAND_IN_FILES_MIB (what does not change, 128),
STAND_IN_FILE_KIB (the files' mean size, 128), STAND_IN_WRITES (a second, 200), STAND_IN_HEALTHY_SECONDS (until /ping
says so, 2), STAND_IN_STOP_SECONDS (from SIGTERM until it begins to close, 0), STAND_IN_PORT (80), STAND_IN_TLS_PORT
(443). A file `stay-unhealthy` in the data keeps the next start from
becoming healthy; `refuse-to-start` has it end at once.
"""

import hashlib
import json
import os
import random
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATA = "/var/lib/rancher"
PAGE = 4096
SEGMENT = 64 * 1024 * 1024
MIB = 1024 * 1024
# Page: number, version, checksum of the rest. WAL record: the same three, then a whole page.
PAGE_HEAD = struct.Struct("<QQI")
RECORD_HEAD = struct.Struct("<QQI")
RECORD = RECORD_HEAD.size + PAGE
# Header (page 0): magic, closed properly?, last version, sum of all pages' versions, number of pages.
HEADER = struct.Struct("<8sQQQQ")
MAGIC = b"STANDIN1"


def setting(name, default):
    return int(os.environ.get(name) or default)


def say(text):
    print(time.strftime("%Y/%m/%d %H:%M:%S"), text, flush=True)


class Torn(Exception):
    """The data are not what this program left."""


class Database:
    def __init__(self, data):
        member = os.path.join(data, "k3s/server/db/etcd/member")
        self.path = os.path.join(member, "snap/db")
        self.wal_folder = os.path.join(member, "wal")
        self.pages = self.sum = self.version = 0
        self.versions = []

    def create(self, mib, segments):
        os.makedirs(os.path.dirname(self.path), mode=0o700)
        os.makedirs(self.wal_folder, mode=0o700)
        pages = mib * MIB // PAGE
        with open(self.path, "wb") as file:
            file.write(HEADER.pack(MAGIC, 1, 0, 0, pages).ljust(PAGE, b"\0"))
            for number in range(1, pages):
                file.write(self.page(number, 0))
        for segment in range(segments):
            with open(self.segment(segment), "wb") as file:
                os.posix_fallocate(file.fileno(), 0, SEGMENT)

    def segment(self, number):
        return os.path.join(self.wal_folder, f"{number:016x}-{number:016x}.wal")

    @staticmethod
    def page(number, version):
        body = os.urandom(PAGE // 2 - PAGE_HEAD.size).ljust(PAGE - PAGE_HEAD.size, b"k")
        return PAGE_HEAD.pack(number, version, zlib.crc32(body)) + body

    def read_header(self):
        with open(self.path, "rb") as file:
            magic, clean, version, total, pages = HEADER.unpack(file.read(HEADER.size))
        if magic != MAGIC:
            raise Torn(f"{self.path}: no database")
        return clean, version, total, pages

    def check(self):
        """Read every page and every WAL record. Returns whether it was closed properly; raises Torn."""
        clean, version, total, pages = self.read_header()
        self.versions = [0] * pages
        with open(self.path, "rb", buffering=MIB) as file:
            file.seek(PAGE)
            for number in range(1, pages):
                page = file.read(PAGE)
                if len(page) != PAGE:
                    raise Torn(f"{self.path}: ends at page {number} of {pages}")
                found, page_version, checksum = PAGE_HEAD.unpack_from(page)
                if found != number or zlib.crc32(page[PAGE_HEAD.size :]) != checksum:
                    raise Torn(f"{self.path}: page {number} is damaged")
                self.versions[number] = page_version
        records = self.records()
        last = max((record[0] for record in records), default=0)
        if clean:
            if sum(self.versions) != total or max(self.versions) > version:
                raise Torn(f"{self.path}: pages of different moments")
            if last != version:
                raise Torn(f"{self.wal_folder}: ends at {last}, the database at {version}")
        elif max(self.versions) > last:
            raise Torn(f"{self.path}: has {max(self.versions)}, the WAL ends at {last}")
        self.pages, self.version = pages, last
        return bool(clean), records

    def records(self):
        """(version, page number, segment file, offset) of every whole record."""
        found = []
        for name in sorted(os.listdir(self.wal_folder)):
            path = os.path.join(self.wal_folder, name)
            with open(path, "rb", buffering=MIB) as file:
                offset = 0
                while len(record := file.read(RECORD)) == RECORD:
                    version, number, checksum = RECORD_HEAD.unpack_from(record)
                    if version and zlib.crc32(record[RECORD_HEAD.size :]) == checksum:
                        found.append((version, number, path, offset))
                    offset += RECORD
        return found

    def recover(self, records):
        with open(self.path, "r+b") as file:
            for version, number, path, offset in sorted(records):
                if version > self.versions[number]:
                    with open(path, "rb") as wal:
                        wal.seek(offset + RECORD_HEAD.size)
                        file.seek(number * PAGE)
                        file.write(wal.read(PAGE))
                    self.versions[number] = version

    def write_for_ever(self, stopping, writes, segments):
        """Change pages until told to stop; then close properly."""
        per_segment = SEGMENT // RECORD
        self.sum = sum(self.versions)
        file = open(self.path, "r+b", buffering=0)
        wal = [open(self.segment(number), "r+b", buffering=0) for number in range(segments)]
        self.write_header(file, clean=0)
        pause = 0.05
        while not stopping.wait(pause):
            for _ in range(max(1, round(writes * pause))):
                number = random.randrange(1, self.pages)
                self.version += 1
                page = self.page(number, self.version)
                place = self.version % (per_segment * segments)
                wal[place // per_segment].seek(place % per_segment * RECORD)
                wal[place // per_segment].write(RECORD_HEAD.pack(self.version, number, zlib.crc32(page)) + page)
                file.seek(number * PAGE)
                file.write(page)
                self.sum += self.version - self.versions[number]
                self.versions[number] = self.version
        self.write_header(file, clean=1)
        for each in [file, *wal]:
            os.fdatasync(each.fileno())

    def write_header(self, file, clean):
        file.seek(0)
        file.write(HEADER.pack(MAGIC, clean, self.version, self.sum, self.pages))


def make_files(data, mib, mean_kib):
    """What does not change: container images and manifests, and one of every kind of file that a copy may lose."""
    pool = os.urandom(MIB)
    listing = {}
    left, number = mib * MIB, 0
    rng = random.Random(1)
    while left > 0:
        size = min(left, max(1, int(rng.expovariate(1 / (mean_kib * 1024)))))
        folder = os.path.join(data, "k3s/agent/containerd/snapshots", f"{number // 200:04d}")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{number:06d}.bin")
        head = f"{number}:{size}:".encode()
        body = head + pool[number % 4096 :]
        with open(path, "wb") as file:
            whole, rest = divmod(size, len(body))
            for _ in range(whole):
                file.write(body)
            file.write(body[:rest])
        left -= size
        number += 1

    odd = os.path.join(data, "management-state/odd")
    os.makedirs(os.path.join(odd, "empty folder"))
    for name in ["with space", "quote'\"", "ünïcode-☃", "new\nline", "-dash", "x" * 200, "empty"]:
        with open(os.path.join(odd, name), "w") as file:
            file.write("" if name == "empty" else name)
    deep = os.path.join(odd, *["a-rather-long-folder-name"] * 6)
    os.makedirs(deep)
    with open(os.path.join(deep, "file"), "w") as file:
        file.write("deep")
    os.symlink("with space", os.path.join(odd, "link"))
    os.symlink("/nowhere/at all", os.path.join(odd, "broken link"))
    os.link(os.path.join(odd, "with space"), os.path.join(odd, "hard link"))
    os.mkfifo(os.path.join(odd, "fifo"))
    with open(os.path.join(odd, "sparse"), "wb") as file:
        file.truncate(32 * MIB)
        file.seek(16 * MIB)
        file.write(b"middle")
    with open(os.path.join(odd, "owned"), "w") as file:
        os.fchown(file.fileno(), 1234, 5678)
        os.fchmod(file.fileno(), 0o4750)
        try:
            os.setxattr(file.fileno(), "user.note", b"kept")
        except OSError as error:
            say(f"no extended attributes here: {error}")
    os.utime(os.path.join(odd, "quote'\""), ns=(0, 1_234_567_890_123_456_789))

    for folder, _, names in os.walk(os.path.join(data, "management-state")):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                listing[os.path.relpath(path, data)] = sha256(path)
    with open(os.path.join(data, "stand-in.json"), "w") as file:
        json.dump({"files": number, "sha256": listing}, file)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_files(data):
    try:
        with open(os.path.join(data, "stand-in.json")) as file:
            said = json.load(file)
    except (OSError, ValueError) as error:
        raise Torn(f"stand-in.json: {error}") from error
    for name, digest in said["sha256"].items():
        try:
            found = sha256(os.path.join(data, name))
        except OSError as error:
            raise Torn(f"{name!r}: {error}") from error
        if found != digest:
            raise Torn(f"{name!r}: differs")
    folder = os.path.join(data, "k3s/agent/containerd/snapshots")
    count = sum(len(names) for _, _, names in os.walk(folder))
    if count != said["files"]:
        raise Torn(f"{count} of {said['files']} files that do not change")


def verify(data):
    try:
        database = Database(data)
        clean, _ = database.check()
        if not clean:
            raise Torn("not closed properly: copied while it was in use")
        check_files(data)
    except (Torn, OSError) as error:
        print(f"torn: {error}")
        return 1
    print(f"whole: version {database.version}, {database.pages} pages")
    return 0


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET
    daemon_threads = True


def serve(port, state, certificate=None):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/ping" and state["healthy"]:
                self.answer(200, b"pong")
            elif self.path == "/rancherversion":
                self.answer(200, json.dumps({"Version": os.environ.get("CATTLE_SERVER_VERSION", "")}).encode())
            else:
                self.answer(503 if self.path == "/ping" else 404, b"not yet")

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = Server(("0.0.0.0", port), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    asked, stopping = threading.Event(), threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: asked.set())
    began = time.monotonic()
    segments = setting("STAND_IN_WAL_SEGMENTS", 2)
    database = Database(DATA)
    if not os.path.exists(database.path):
        say("making the data")
        database.create(setting("STAND_IN_DB_MIB", 512), segments)
        make_files(DATA, setting("STAND_IN_FILES_MIB", 128), setting("STAND_IN_FILE_KIB", 128))
        # A certificate of its own, as Rancher makes one.
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            + ["-days", "3650", "-subj", "/CN=rancher-stand-in", "-keyout", f"{DATA}/tls.pem", "-out", f"{DATA}/tls.crt"],
            check=True,
            capture_output=True,
        )
        with open(f"{DATA}/tls.pem", "a") as whole, open(f"{DATA}/tls.crt") as certificate:
            whole.write(certificate.read())
    if os.path.exists(f"{DATA}/refuse-to-start"):
        say("FATAL: told to refuse to start")
        return 1

    state = {"healthy": False}
    serve(setting("STAND_IN_PORT", 80), state)
    serve(setting("STAND_IN_TLS_PORT", 443), state, f"{DATA}/tls.pem")
    try:
        clean, records = database.check()
        if not clean:
            say("not closed properly: recovering from the WAL")
            database.recover(records)
        check_files(DATA)
    except Torn as error:
        say(f"FATAL: torn data: {error}")
        return 1
    say(f"data are whole at version {database.version}")
    writer = threading.Thread(
        target=database.write_for_ever, args=(stopping, setting("STAND_IN_WRITES", 200), segments)
    )
    writer.start()
    left = setting("STAND_IN_HEALTHY_SECONDS", 2) - (time.monotonic() - began)
    if not asked.wait(max(0, left)):
        if os.path.exists(f"{DATA}/stay-unhealthy"):
            say("ERROR: told to stay unhealthy")
        else:
            state["healthy"] = True
            say("healthy")
    asked.wait()
    time.sleep(setting("STAND_IN_STOP_SECONDS", 0))
    stopping.set()
    writer.join()
    say(f"closed at version {database.version}")
    return 0


if __name__ == "__main__":
    sys.exit(verify(sys.argv[2]) if sys.argv[1:2] == ["verify"] else main())
