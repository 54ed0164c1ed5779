"""WebSockets on the console's URL: handshakes, lies, reasons of closes, watching only, limits."""

import base64
import json
import os
import re
import signal
import socket as stdlib_socket
import struct
import sys
import time

from front import call, connect, domain, facts, failure, log_in, status

session = log_in()
demo1, demo3 = domain("demo1"), domain("demo3")
host = facts["api"].split("://")[1]
KEY = base64.b64encode(os.urandom(16)).decode()
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10


class Socket:
    def __init__(self, query, *headers, version=13):
        self.stream = connect()
        self.stream.sendall("\r\n".join((
            f"GET /console?{query} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Version: {version}", f"Sec-WebSocket-Key: {KEY}", *headers, "", "")).encode())
        self.read = b""
        while b"\r\n\r\n" not in self.read:
            more = self.stream.recv(10000)
            assert more, self.read
            self.read += more
        self.head, self.read = self.read.split(b"\r\n\r\n", 1)
        self.status = status(self.head)

    def send(self, payload, kind=0x80 | BINARY, mask=b"mask"):
        head = bytes([kind, (0x80 if mask else 0) | len(payload)]) + (mask or b"")
        if mask:
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.stream.sendall(head + payload)

    def take(self, length):
        while len(self.read) < length:
            more = self.stream.recv(65536)
            assert more, (length, self.read)
            self.read += more
        taken, self.read = self.read[:length], self.read[length:]
        return taken

    def frame(self):
        first, length = self.take(2)
        assert first & 0x80 and not length & 0x80, (first, length)
        if length == 126:
            [length] = struct.unpack(">H", self.take(2))
        elif length == 127:
            [length] = struct.unpack(">Q", self.take(8))
        return first & 15, self.take(length)

    def bytes(self, length):
        """So many of the console's bytes."""
        taken = b""
        while len(taken) < length:
            kind, payload = self.frame()
            assert kind == BINARY, (kind, payload)
            taken += payload
        return taken

    def until(self, wanted):
        taken = b""
        while wanted not in taken:
            kind, payload = self.frame()
            assert kind == BINARY, (kind, payload, taken)
            taken += payload
        return taken

    def closed(self):
        """Code and reason of the close, whatever is shown before."""
        while True:
            kind, payload = self.frame()
            if kind == CLOSE:
                [code] = struct.unpack(">H", payload[:2])
                return code, payload[2:].decode()

    def is_over(self):
        while self.stream.recv(65536):
            pass
        return True


def by_session(query):
    return f"{query}&session_id={session}"


screen = by_session(f"uuid={demo1['uuid']}")
[vm] = call("VM.get_by_name_label", session, "demo1")
[text] = [c for c in call("VM.get_consoles", session, vm)
          if call("console.get_protocol", session, c) == "vt100"]
text = by_session(f"ref={text}")

# Handshakes.
opened = Socket(screen)
assert opened.status == 101 and b"Sec-WebSocket-Protocol" not in opened.head, opened.head
assert opened.bytes(12) == b"RFB 003.008\n"
assert b"\r\nSec-WebSocket-Protocol: binary" in Socket(screen, "Sec-WebSocket-Protocol: binary").head
assert Socket(screen, f"Origin: https://{host}").status == 101
assert Socket(screen, f"Cookie: session_id={session}").status == 101
for expected, refused in [
    (403, Socket(screen, "Origin: https://elsewhere.example")),
    (426, Socket(screen, version=8)),
    (401, Socket(f"uuid={demo1['uuid']}")),
    (404, Socket(by_session(f"uuid={demo3['uuid']}"))),
]:
    assert refused.status == expected, (expected, refused.head)
assert b"\r\nSec-WebSocket-Version: 13" in Socket(screen, version=8).head

# The page hears why it has no console.
page = "Sec-WebSocket-Protocol: console.xenwarden"
code, reason = Socket(by_session(f"uuid={demo3['uuid']}"), page).closed()
assert code == 4404 and "disable_pv_vnc" in reason, (code, reason)
assert Socket(f"uuid={demo1['uuid']}", page).closed()[0] == 4401

# Pings, fragments and the client's own close.
opened.send(b"there?", 0x80 | PING)
assert opened.frame() == (PONG, b"there?")
opened.send(b"RFB 003", BINARY)
opened.send(b"", 0x80 | PING)
opened.send(b".008\n", 0x80)
assert opened.frame() == (PONG, b"")
assert opened.bytes(2) == b"\1\1"
opened.send(struct.pack(">H", 1000) + b"bye", 0x80 | CLOSE)
assert opened.closed() == (1000, "bye") and opened.is_over()

# Lies.
for code, lie in [
    (1002, lambda socket: socket.send(b"x", mask=None)),
    (1002, lambda socket: socket.send(b"x", 0x80)),
    (1009, lambda socket: socket.stream.sendall(b"\x82\xff" + struct.pack(">Q", 1 << 60) + b"mask")),
]:
    liar = Socket(screen)
    lie(liar)
    assert liar.closed()[0] == code

# What is typed comes back, and a watcher's does not.
typist, watcher = Socket(text), Socket(text + "&view=only")
watcher.send(b"echo watc$((1+1))her\n")
typist.send(b"echo $((6*7))4242\n")
typist.until(b"424242")
watcher.until(b"424242")
typist.send(b"echo do$((3-2))ne\n")
seen = b""
while b"do1ne" not in seen:
    seen += watcher.frame()[1]
assert b"watc2her" not in seen, seen
typist.stream.close()

# A user whose role is to watch, with the demo's own password.
folder = os.path.dirname(os.path.realpath(sys.argv[1]))
config = open(f"{folder}/run/xenwarden.toml").read()
[users] = re.findall('users_file = "(.*)"', config)
line = open(users).read().splitlines()[0]
with open(users, "a") as file:
    file.write(line.replace(facts["username"] + ":admin:", "eve:viewer:") + "\n")
eve = call("session.login_with_password", "eve", facts["password"])
watcher = Socket(text.replace(session, eve))
watcher.send(b"echo ev$((1+1))e\n")
typist = Socket(text)
typist.send(b"echo an$((1+1))n\n")
assert b"ev2e" not in watcher.until(b"an2n")
assert failure("VM.add_to_other_config", eve, vm, "a", "b")[0] == "RBAC_PERMISSION_DENIED"

# Who counts the guest's bytes comes back to exactly what came meanwhile.
def position(socket):
    [line] = [line for line in socket.head.split(b"\r\n") if line.startswith(b"Xenwarden-Position: ")]
    at, repaint = line.split(b": ")[1].split(b"; repaint=")
    return int(at), int(repaint)


first = Socket(text + "&from=")
at, repaint = position(first)
assert repaint > 0
first.bytes(repaint)
first.send(b"echo st$((1))art\n")
seen = first.until(b"st1art\r\n")
first.stream.close()
at += len(seen)
stays = Socket(f"{text}&from={at}")
assert position(stays) == (at, 0), stays.head
stays.send(b"for n in 1 2 3; do echo missed $n; done; echo do$((1))ne\n")
missed = stays.until(b"do1ne\r\n")
again = Socket(f"{text}&from={at}")
assert position(again) == (at, 0), again.head
assert again.bytes(len(missed)).startswith(missed) and b"missed 3" in missed
told = Socket(f"{text}&from={at + len(missed)}", page)
kind, about = told.frame()
assert kind == 1 and json.loads(about) == {"at": str(at + len(missed)), "repaint": 0}, about
client = connect()
client.sendall(f"CONNECT /console?{text}&from={at} HTTP/1.0\r\n\r\n".encode())
assert f"\r\nXenwarden-Position: {at}; repaint=0\r\n\r\n".encode() in client.recv(10000)
client.close()

# Each close says why.
viewer = Socket(screen)
assert viewer.bytes(12) == b"RFB 003.008\n"
os.kill(demo1["converter_pid"], signal.SIGKILL)
assert viewer.closed() == (4005, "the console service of this VM restarts")


def opens(query):
    """A console that is served again, within a minute."""
    deadline = time.monotonic() + 60
    while (socket := Socket(query)).status != 101:
        assert time.monotonic() < deadline, socket.head
        time.sleep(0.1)
    return socket


viewer = opens(screen)
store = stdlib_socket.socket(stdlib_socket.AF_UNIX)
store.connect(facts["xenstore"])
RM = 13
path = f"/local/domain/{demo1['domid']}".encode() + b"\0"
store.sendall(struct.pack("<IIII", RM, 1, 0, len(path)) + path)
assert viewer.closed() == (4001, "the guest shut down") and viewer.is_over()
answer = Socket(screen)
assert answer.status == 500, answer.head
print("good")
