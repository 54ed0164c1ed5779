"""Calls, their errors and events, by XML-RPC and both versions of JSON-RPC."""

import json
import threading
import xmlrpc.client

from front import call, context, facts, failure, log_in, proxy, raw

session = log_in()
names = proxy.system.listMethods()
assert "VM.get_all_records" in names and "event.from" in names
[vm] = call("VM.get_by_name_label", session, "demo1")
record = call("VM.get_record", session, vm)
for field, value in record.items():
    assert call(f"VM.get_{field}", session, vm) == value, field
for name in [name for name in names if name.endswith(".get_all_records")]:
    assert isinstance(call(name, session), dict), name
assert list(call("session.get_all_records", session)) == [session]

foreign = "OpaqueRef:00000000-0000-0000-0000-000000000001"
assert failure("VM.get_all", foreign) == ["SESSION_INVALID", foreign]
assert failure("VM.fly", session) == ["MESSAGE_METHOD_UNKNOWN", "VM.fly"]
assert failure("VM.get_record", session) == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_record", "1", "0"]
assert failure("VM.get_record", session, foreign) == ["HANDLE_INVALID", "VM", foreign]
[pool] = call("pool.get_all", session)
assert failure("VM.get_record", session, pool) == ["HANDLE_INVALID", "VM", pool]
assert failure("VM.get_by_uuid", session, "x") == ["UUID_INVALID", "VM", "x"]
assert failure("VM.get_name_label", session, 5)[0] == "FIELD_TYPE_ERROR"
assert failure("VM.start", session, vm, False, False)[0] == "NOT_IMPLEMENTED"
assert failure("VM.set_name_label", session, vm, "x")[0] == "VM_BAD_POWER_STATE"
assert failure("VM.add_to_other_config", session, vm, "", "x")[0] == "INVALID_VALUE"
assert failure("VM.add_to_other_config", session, vm, "k", "x" * 5000)[0] == "INVALID_VALUE"

# Who waits for a change is told of it.
token = call("event.from", session, ["vm"], "", 0.0)["token"]
told = []
other = xmlrpc.client.ServerProxy(facts["api"], context=context)
waiter = threading.Thread(target=lambda: told.append(getattr(other.event, "from")(session, ["VM"], token, 60.0)))
waiter.start()
call("VM.add_to_other_config", session, vm, "watched", "1")
waiter.join(50)
[event] = told[0]["Value"]["events"]
assert (event["class"], event["operation"], event["ref"]) == ("vm", "mod", vm), event
assert event["snapshot"]["other_config"]["watched"] == "1"
call("VM.remove_from_other_config", session, vm, "watched")
quiet = call("event.from", session, ["pool"], told[0]["Value"]["token"], 0.2)
assert quiet["events"] == [] and quiet["valid_ref_counts"]["pool"] == 1, quiet
before = call("event.inject", session, "pool", pool)
[event] = call("event.from", session, ["pool"], before, 10.0)["events"]
assert event["ref"] == pool
assert failure("event.from", session, ["pool"], "x", 1.0)[0] == "EVENT_FROM_TOKEN_PARSE_FAILURE"

# A task comes, is seen, and goes.
task = call("task.create", session, "label", "about")
assert call("task.get_record", session, task)["name_label"] == "label"
call("task.destroy", session, task)
assert failure("task.get_record", session, task)[0] == "HANDLE_INVALID"


def json_call(body, path="/jsonrpc"):
    body = json.dumps(body)
    answer = raw(f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json\r\n" in head, head
    return json.loads(body)


user = [facts["username"], facts["password"]]
login = json_call({"jsonrpc": "2.0", "method": "session.login_with_password", "params": user, "id": 0})
second = login["result"]
assert login == {"jsonrpc": "2.0", "result": second, "id": 0}
old = json_call({"method": "VM.get_domid", "params": [second, vm], "id": "x"})
assert old == {"result": 1, "error": None, "id": "x"}
error = json_call({"jsonrpc": "2.0", "method": "VM.fly", "params": [second], "id": 1})
assert error["error"] == {"code": 1, "message": "MESSAGE_METHOD_UNKNOWN", "data": ["VM.fly"]}
print("good")
