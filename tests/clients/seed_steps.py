"""The seed document's nine steps with the unmodified XenAPI of PyPI, then bytes of RFB."""

from urllib.parse import urlsplit

import XenAPI

from front import connect, facts, failure, front

session = XenAPI.Session(facts["api"], ignore_ssl=True)
session.login_with_password(facts["username"], facts["password"], "1.0", "acceptance")
[vm] = session.xenapi.VM.get_by_name_label("demo1")
consoles = session.xenapi.VM.get_consoles(vm)
protocols = sorted(session.xenapi.console.get_protocol(console) for console in consoles)
assert protocols == ["rfb", "vt100"], protocols
[screen] = [c for c in consoles if session.xenapi.console.get_protocol(c) == "rfb"]
assert session.xenapi.console.get_VM(screen) == vm
location = urlsplit(session.xenapi.console.get_location(screen))
assert (location.scheme, location.hostname, location.port) == ("https", front.hostname, front.port)

client = connect()
client.sendall(
    f"CONNECT {location.path}?{location.query} HTTP/1.1\r\n"
    f"Cookie: session_id={session.handle}\r\n\r\n".encode()
)
# One read of many bytes is the head alone: the screen's first bytes come in another.
head = client.recv(10000)
assert head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n"), head
assert client.recv(12) == b"RFB 003.008\n"
client.sendall(b"RFB 003.003\n")
assert client.recv(4) == b"\0\0\0\1"
client.sendall(b"\1")
assert len(client.recv(24)) >= 4
client.close()

assert session.API_version == "2.23", session.API_version
session.xenapi.VM.add_to_other_config(vm, "acceptance", "<&>\"' ü")
assert session.xenapi.VM.get_other_config(vm)["acceptance"] == "<&>\"' ü"
try:
    session.xenapi.VM.add_to_other_config(vm, "acceptance", "2")
    raise AssertionError("a key was added twice")
except XenAPI.Failure as failed:
    assert failed.details == ["MAP_DUPLICATE_KEY", "VM", "other_config", vm, "acceptance"]
session.xenapi.VM.remove_from_other_config(vm, "acceptance")
assert "acceptance" not in session.xenapi.VM.get_other_config(vm)

handle = session.handle
session.xenapi.session.logout()
assert failure("VM.get_all", handle) == ["SESSION_INVALID", handle]
print("good")
