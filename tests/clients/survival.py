"""A console outlives the agent, and a session the front: both are killed with -9."""

import os
import signal
import sys
import time
import xmlrpc.client

from front import Failure, call, connect, context, facts, log_in

folder = os.path.dirname(os.path.realpath(sys.argv[1]))


def process(program):
    """The demo's process of a program, by its own configuration."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
        except OSError:
            continue
        if words[0].endswith(f"/{program}") and f"{folder}/run/xenwarden.toml" in words:
            return int(pid)
    return None


def kill(program):
    os.kill(process(program), signal.SIGKILL)


def until(what, attempt):
    deadline = time.monotonic() + 60
    while True:
        try:
            return attempt()
        except (OSError, Failure, xmlrpc.client.ProtocolError) as error:
            assert time.monotonic() < deadline, (what, error)
            time.sleep(0.1)


session = log_in()
[vm] = call("VM.get_by_name_label", session, "demo1")
viewer = connect()
viewer.sendall(f"CONNECT /console?ref={vm} HTTP/1.0\r\nCookie: session_id={session}\r\n\r\n".encode())
assert viewer.recv(10000).startswith(b"HTTP/1.1 200")
kill("xenwardend")
assert viewer.recv(12) == b"RFB 003.008\n"
viewer.sendall(b"RFB 003.003\n")
assert viewer.recv(4) == b"\0\0\0\1"

# The next agent knows the same objects by the same names, and no session.
session = until("the agent is back", log_in)
until("demo1 has its console again", lambda: call("VM.get_consoles", session, vm))
viewer.sendall(b"\1")
assert viewer.recv(4)
viewer.close()

kill("xenwarden-api")


def again():
    fresh = xmlrpc.client.ServerProxy(facts["api"], context=context)
    return fresh.VM.get_name_label(session, vm)


answer = until("the front is back", again)
assert answer == {"Status": "Success", "Value": "demo1"}, answer
print("good")
