"""What is malformed, oversized or slow gets its error, and others are served all the while."""

import time

from front import call, connect, log_in, raw, status

session = log_in()


def post(body, path="/", more=""):
    return raw(f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n{body}")


assert status(raw("GET / HTTP/1.1\r\n" + "X: y\r\n" * 100 + "\r\n")) == 431
assert status(raw("GET /" + "x" * 20000)) == 431
assert status(raw("nonsense\r\n\r\n")) == 400
assert status(raw("PATCH / HTTP/1.1\r\nConnection: close\r\n\r\n")) == 501
assert status(raw(f"POST / HTTP/1.1\r\nContent-Length: {400 * 1024}\r\n\r\n")) == 413
assert status(raw("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n")) == 400
assert status(raw("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")) == 400
assert status(raw("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")) == 400
assert status(raw("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n")) == 413

bomb = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
bomb = f'<!DOCTYPE x [<!ENTITY e0 "boom">{bomb}]><methodCall><methodName>&e9;</methodName></methodCall>'
deep = "<methodCall><methodName>a</methodName><params><param>" + "<value><array><data>" * 5000
for body in ["", "x", "<methodCall/>", bomb, deep, "<methodCall><methodName>a</methodName>"]:
    assert status(post(body)) == 500, body[:80]
for body in ["", "x", "[]", "{}", "[" * 100000, '{"method":"a","id":null}']:
    assert status(post(body, "/jsonrpc")) == 500, body[:80]
chunked = "<methodCall><methodName>system.listMethods</methodName></methodCall>"
chunks = "".join(f"1\r\n{letter}\r\n" for letter in chunked) + "0\r\n\r\n"
answer = raw("POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks)
assert status(answer) == 200 and b"VM.get_all" in answer

# Half-open and slow clients: nobody else notices them, and each is told or let go.
def twenty_calls():
    began = time.monotonic()
    for _ in range(20):
        assert len(call("VM.get_all", session)) == 3
    return time.monotonic() - began


alone = twenty_calls()
slow = connect()
slow.sendall(b"GET / HT")
silent = [connect() for _ in range(200)]
beside = twenty_calls()
# A machine may be busy with other things; a call that waited for any of those would take seconds.
assert beside < 10 * alone + 5, (alone, beside)
assert status(slow.recv(10000)) == 408
for client in silent:
    client.close()
print("good")
