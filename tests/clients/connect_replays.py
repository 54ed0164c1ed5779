"""CONNECT as each client in the wild sends it, and every error of the table."""

import base64

from front import call, connect, domain, facts, log_in, raw, status

session = log_in()
demo1, demo3 = domain("demo1"), domain("demo3")
[vm] = call("VM.get_by_name_label", session, "demo1")
[screen] = [c for c in call("VM.get_consoles", session, vm)
            if call("console.get_protocol", session, c) == "rfb"]
[text] = [c for c in call("VM.get_consoles", session, vm)
          if call("console.get_protocol", session, c) == "vt100"]
host = facts["api"].split("://")[1]
cookie = f"Cookie: session_id={session}\r\n"
basic = base64.b64encode(f"{facts['username']}:{facts['password']}".encode()).decode()

opens = {
    "XenCenter": f"CONNECT /console?ref={screen} HTTP/1.0\r\nHost: {host}\r\n{cookie}\r\n",
    "by VM": f"CONNECT /console?ref={vm} HTTP/1.0\r\nHost: {host}\r\n{cookie}\r\n",
    "Xen Orchestra": f"CONNECT /console?uuid={demo1['uuid']} HTTP/1.0\r\nHost: {host}\r\n{cookie}\r\n",
    "xe console": f"CONNECT /console?ref={screen}&session_id={session} HTTP/1.0\r\ncontent-length: 0\r\n\r\n",
    "OpenXenManager": f"CONNECT https://{host}/console?ref={screen}&session_id={session} HTTP/1.1\r\n\r\n",
    "no host": f"CONNECT https:///console?ref={screen} HTTP/1.1\r\n{cookie}\r\n",
    "HTTP/1.1": f"CONNECT /console?ref={screen} HTTP/1.1\r\nHost: {host}\r\nCookie: a=b; session_id={session}\r\n\r\n",
    "uuid wins": f"CONNECT /console?ref=OpaqueRef:NULL&uuid={demo1['uuid']} HTTP/1.0\r\n{cookie}\r\n",
    "Basic": f"CONNECT /console?uuid={demo1['uuid']} HTTP/1.0\r\nAuthorization: Basic {basic}\r\n\r\n",
}
for name, request in opens.items():
    client = connect()
    client.sendall(request.encode())
    head = client.recv(10000)
    assert head == (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n"
                    b"Cache-Control: no-cache, no-store\r\n\r\n"), (name, head)
    assert client.recv(12) == b"RFB 003.008\n", name
    client.close()

# The text console: what is typed comes back.
client = connect()
client.sendall(f"CONNECT /console?ref={text} HTTP/1.0\r\n{cookie}\r\n".encode())
assert client.recv(10000).startswith(b"HTTP/1.1 200")
client.sendall(b"echo $((6*7))4242\n")
seen = b""
while b"424242" not in seen:
    more = client.recv(10000)
    assert more, seen
    seen += more
client.close()

wrong = base64.b64encode(b"demo:wrong").decode()
foreign = "OpaqueRef:00000000-0000-0000-0000-000000000001"
errors = [
    (401, f"CONNECT /console?ref={screen} HTTP/1.0\r\n\r\n"),
    (401, f"CONNECT /console?ref={screen} HTTP/1.0\r\nCookie: session_id={foreign}\r\n\r\n"),
    (401, f"CONNECT /console?ref={screen} HTTP/1.0\r\nCookie: session_id=x\r\n\r\n"),
    (401, f"CONNECT /console?ref={screen} HTTP/1.0\r\nAuthorization: Basic {wrong}\r\n\r\n"),
    (403, f"CONNECT /elsewhere HTTP/1.0\r\n{cookie}\r\n"),
    (500, f"CONNECT /console HTTP/1.0\r\n{cookie}\r\n"),
    (500, f"CONNECT /console?ref={foreign} HTTP/1.0\r\n{cookie}\r\n"),
    (500, f"CONNECT /console?uuid=x HTTP/1.0\r\n{cookie}\r\n"),
    (404, f"CONNECT /console?uuid={demo3['uuid']} HTTP/1.0\r\n{cookie}\r\n"),
]
for expected, request in errors:
    answer = raw(request)
    assert status(answer) == expected, (request, answer)
    assert b"\r\nConnection: close\r\n" in answer, answer
assert b"disable_pv_vnc" in raw(errors[-1][1])
assert b'WWW-Authenticate: Basic realm="connect_console"' in raw(errors[0][1])
print("good")
