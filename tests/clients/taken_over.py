"""In the front's place: what the agent does for a process with the front's user and no session."""

import array
import json
import os
import socket

from front import domain, facts, log_in


def front_uid():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
            if words[0].endswith("/xenwarden-api") and any(os.path.dirname(facts["agent"]) in w for w in words):
                return int(open(f"/proc/{pid}/status").read().split("Uid:")[1].split()[0])
        except OSError:
            continue


def ask(question, send=lambda agent, line: agent.sendall(line)):
    """What the agent answers, and how many descriptors came with it."""
    agent = socket.socket(socket.AF_UNIX)
    agent.connect(facts["agent"])
    agent.settimeout(30)
    send(agent, json.dumps(question).encode() + b"\n")
    answer, control, _, _ = agent.recvmsg(1 << 20, socket.CMSG_SPACE(64))
    agent.close()
    return json.loads(answer), len(control)


session = log_in()
uid = front_uid()
assert uid, "the front runs as root"
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)

vm = domain("demo1")["uuid"]
# Root's questions are no questions of the front's.
for question in [
    {"ask": "status"}, {"ask": "vms"}, {"ask": "audit"},
    {"ask": "console", "vm": vm, "protocol": "rfb"},
    {"ask": "set-key", "vm": vm, "map": "other_config", "key": "k", "value": "v"},
]:
    answer, descriptors = ask(question)
    assert answer["value"]["code"] == "malformed" and not descriptors, answer
# Its own are nothing without a session.
nobody = "OpaqueRef:00000000-0000-0000-0000-000000000001"
for call in [
    {"call": "changes", "since": None},
    {"call": "open", "target": {"uuid": vm}, "address": "127.0.0.1", "view_only": False, "from": None},
    {"call": "create-task", "label": "x", "description": "x"},
]:
    answer, descriptors = ask(dict(call, session=nobody))
    assert answer["value"]["code"] == "no-session" and not descriptors, answer
# With one they are what that session may.
answer, descriptors = ask({"call": "open", "session": session, "target": {"uuid": vm}, "address": "127.0.0.1",
                            "view_only": False, "from": None})
assert answer["reply"] == "console" and descriptors == 1, answer


def with_descriptor(agent, line):
    agent.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])


# A descriptor that it sends reaches nobody; the call is one all the same.
answer, _ = ask({"call": "session", "session": session}, with_descriptor)
assert answer["reply"] == "session", answer
print("good")
